use chrono::TimeDelta;
use portico_contracts::{fakes::ManualClock, fixtures};
use portico_domain::ports::Clock;
use portico_domain::{
    model::{Lifetimes, Session, SessionChange},
    ports::{MockSessionStore, SessionsUnavailable},
    use_cases::LoadSession,
};

const LIFETIMES: Lifetimes =
    Lifetimes { rolling: TimeDelta::days(1), absolute: TimeDelta::days(7) };

async fn run(
    clock: &ManualClock,
    sessions: &MockSessionStore,
) -> Result<Option<Session>, SessionsUnavailable> {
    LoadSession { clock, lifetimes: LIFETIMES }.run(sessions).await
}

#[tokio::test]
async fn new_browser_has_no_session() {
    let mut sessions = MockSessionStore::new();
    sessions.expect_current().returning(|| Ok(None));
    assert_eq!(run(&ManualClock::default(), &sessions).await, Ok(None));
}

#[tokio::test]
async fn recent_visit_is_not_recorded_again() {
    let clock = ManualClock::default();
    let mut sessions = MockSessionStore::new();
    sessions.expect_current().returning(|| Ok(Some(fixtures::session())));
    clock.advance(TimeDelta::seconds(59));
    assert_eq!(run(&clock, &sessions).await, Ok(Some(fixtures::session())));
}

#[tokio::test]
async fn records_visit() {
    let clock = ManualClock::default();
    clock.advance(TimeDelta::seconds(60));
    let change = SessionChange::Seen(clock.now());
    let expected = fixtures::session().with(change.clone());
    let answer = expected.clone();
    let mut sessions = MockSessionStore::new();
    sessions.expect_current().returning(|| Ok(Some(fixtures::session())));
    sessions
        .expect_update()
        .once()
        .withf(move |given| *given == change)
        .returning(move |_| Ok(Some(answer.clone())));
    assert_eq!(run(&clock, &sessions).await, Ok(Some(expected)));
}

#[tokio::test]
async fn session_that_ended_meanwhile_is_absent() {
    let clock = ManualClock::default();
    clock.advance(TimeDelta::hours(1));
    let mut sessions = MockSessionStore::new();
    sessions.expect_current().returning(|| Ok(Some(fixtures::session())));
    sessions.expect_update().returning(|_| Ok(None));

    assert_eq!(run(&clock, &sessions).await, Ok(None));
}

#[tokio::test]
async fn keeps_session_when_visit_cannot_be_recorded() {
    let clock = ManualClock::default();
    clock.advance(TimeDelta::hours(1));
    let mut sessions = MockSessionStore::new();
    sessions.expect_current().returning(|| Ok(Some(fixtures::session())));
    sessions.expect_update().returning(|_| Err(SessionsUnavailable("gone".into()).into()));
    assert!(run(&clock, &sessions).await.unwrap().is_some());
}

#[tokio::test]
async fn reports_store_outage() {
    let down = SessionsUnavailable("gone".into());
    let answer = down.clone();
    let mut sessions = MockSessionStore::new();
    sessions.expect_current().returning(move || Err(answer.clone()));
    assert_eq!(run(&ManualClock::default(), &sessions).await, Err(down));
}
