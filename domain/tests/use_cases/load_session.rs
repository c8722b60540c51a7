use chrono::TimeDelta;
use portico_contracts::{fakes::ManualClock, fixtures};
use portico_domain::{
    model::{Lifetimes, Session, SessionChange},
    ports::{Clock, MockSessionStore, SaveSessionError, SessionsUnavailable},
    use_cases::LoadSession,
};
use rstest::rstest;

use crate::support::{no_room, sessions_outage};

const LIFETIMES: Lifetimes =
    Lifetimes { rolling: TimeDelta::days(1), absolute: TimeDelta::days(7) };

/// This long after the start of the session of the examples.
fn clock_after(time: TimeDelta) -> ManualClock {
    let clock = ManualClock::default();
    clock.advance(time);
    clock
}

fn some_session() -> MockSessionStore {
    let mut sessions = MockSessionStore::new();
    sessions.expect_current().returning(|| Ok(Some(fixtures::session())));
    sessions
}

async fn run(
    clock: &ManualClock,
    sessions: &MockSessionStore,
) -> Result<Option<Session>, SessionsUnavailable> {
    LoadSession { clock, lifetimes: LIFETIMES }.run(sessions).await
}

#[tokio::test]
async fn finds_no_session_where_nobody_is_logged_in() {
    let mut sessions = MockSessionStore::new();
    sessions.expect_current().returning(|| Ok(None));
    assert_eq!(run(&ManualClock::default(), &sessions).await, Ok(None));
}

#[tokio::test]
async fn writes_nothing_within_a_minute_of_latest_visit() {
    let clock = clock_after(TimeDelta::seconds(59));
    assert_eq!(run(&clock, &some_session()).await, Ok(Some(fixtures::session())));
}

#[tokio::test]
async fn records_visit_after_a_minute() {
    let clock = clock_after(TimeDelta::seconds(60));
    let change = SessionChange::Seen(clock.now());
    let expected = fixtures::session().with(change.clone());
    let answer = expected.clone();
    let mut sessions = some_session();
    sessions
        .expect_update()
        .once()
        .withf(move |given| *given == change)
        .returning(move |_| Ok(Some(answer.clone())));
    assert_eq!(run(&clock, &sessions).await, Ok(Some(expected)));
}

#[tokio::test]
async fn finds_no_session_that_ended_meanwhile() {
    let mut sessions = some_session();
    sessions.expect_update().once().returning(|_| Ok(None));
    assert_eq!(run(&clock_after(TimeDelta::hours(1)), &sessions).await, Ok(None));
}

#[rstest]
#[case::too_large(no_room())]
#[case::unavailable(sessions_outage().into())]
#[tokio::test]
async fn returns_session_when_visit_cannot_be_recorded(#[case] error: SaveSessionError) {
    let mut sessions = some_session();
    sessions.expect_update().once().returning(move |_| Err(error.clone()));
    let loaded = run(&clock_after(TimeDelta::hours(1)), &sessions).await;
    assert_eq!(loaded, Ok(Some(fixtures::session())));
}

#[tokio::test]
async fn reports_session_that_cannot_be_read() {
    let mut sessions = MockSessionStore::new();
    sessions.expect_current().returning(|| Err(sessions_outage()));
    assert_eq!(run(&ManualClock::default(), &sessions).await, Err(sessions_outage()));
}
