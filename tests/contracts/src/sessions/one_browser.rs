//! What the store promises to one browser.

use chrono::TimeDelta;
use portico_domain::{
    model::{AccessToken, Claims, LoginAttempt, LoginLoopGuard, Session, SessionChange, State},
    ports::Clock,
};

use super::{TestSite, attempt_of, new_browser, session_of};
use crate::fakes::ManualClock;

/// About 12 kB, half of it claims, half a token.
fn large_session(clock: &ManualClock) -> Session {
    let mut session = session_of("large", clock);
    let mut claims = session.identity.claims.to_map();
    let groups: Vec<_> = (0..300).map(|number| format!("Gruppe-{number}-\u{e4}\u{f6}")).collect();
    claims.insert("groups".into(), groups.into());
    session.identity.claims = Claims::new(&claims);
    session.identity.tokens.access_token = AccessToken::new("eyJhbGci".repeat(750));
    session
}

/// A new browser has no session.
pub async fn new_browser_has_no_session(site: TestSite) {
    let store = new_browser(&*site).await;
    assert_eq!(store.current().await, Ok(None));
}

/// The whole session is returned at every later request.
pub async fn returns_started_session(site: TestSite) {
    let store = new_browser(&*site).await;
    let clock = site.clock();
    let mut session = session_of("1", &clock);
    session.identity.tokens.access_token_expires_at = Some(clock.now() + TimeDelta::hours(1));
    store.start(&session).await.unwrap();
    assert_eq!(store.current().await, Ok(Some(session.clone())));
    assert_eq!(store.current().await, Ok(Some(session)));
}

/// A session that was ended is not returned.
pub async fn ended_session_is_gone(site: TestSite) {
    let store = new_browser(&*site).await;
    let clock = site.clock();
    store.start(&session_of("1", &clock)).await.unwrap();
    store.end().await.unwrap();
    assert_eq!(store.current().await, Ok(None));
}

/// A log-out without a session, or a second one, is no error.
pub async fn ending_twice_is_no_error(site: TestSite) {
    let store = new_browser(&*site).await;
    let clock = site.clock();
    store.end().await.unwrap();
    store.start(&session_of("1", &clock)).await.unwrap();
    store.end().await.unwrap();
    store.end().await.unwrap();
    assert_eq!(store.current().await, Ok(None));
}

/// A change is saved.
pub async fn keeps_changes(site: TestSite) {
    let store = new_browser(&*site).await;
    let clock = site.clock();
    let session = session_of("1", &clock);
    store.start(&session).await.unwrap();
    clock.advance(TimeDelta::seconds(60));
    let change = SessionChange::Seen(clock.now());
    let session = session.with(change.clone());
    assert_eq!(store.update(&change).await, Ok(Some(session.clone())));
    assert_eq!(store.current().await, Ok(Some(session)));
}

/// A change neither revives a session nor creates one.
pub async fn update_never_revives_ended_session(site: TestSite) {
    let store = new_browser(&*site).await;
    let clock = site.clock();
    let session = session_of("1", &clock);
    let change = SessionChange::Seen(clock.now());
    assert_eq!(store.update(&change).await, Ok(None));
    assert_eq!(store.current().await, Ok(None));
    store.start(&session).await.unwrap();
    store.end().await.unwrap();
    assert_eq!(store.update(&change).await, Ok(None));
    assert_eq!(store.current().await, Ok(None));
}

/// The rolling lifetime is exact to the second.
pub async fn session_expires_without_visits(site: TestSite) {
    let store = new_browser(&*site).await;
    let clock = site.clock();
    let session = session_of("1", &clock);
    for (seconds, is_valid) in [(99, true), (100, false), (101, false)] {
        let session = Session { started_at: clock.now(), seen_at: clock.now(), ..session.clone() };
        store.start(&session).await.unwrap();
        clock.advance(TimeDelta::seconds(seconds));
        let current = store.current().await.unwrap();
        assert_eq!(current.is_some(), is_valid, "after {seconds} s");
    }
}

/// The rolling lifetime counts from the last recorded visit.
pub async fn visit_extends_session(site: TestSite) {
    let store = new_browser(&*site).await;
    let clock = site.clock();
    let session = session_of("1", &clock);
    store.start(&session).await.unwrap();
    clock.advance(TimeDelta::seconds(60));
    store.update(&SessionChange::Seen(clock.now())).await.unwrap();
    clock.advance(TimeDelta::seconds(60));
    assert!(store.current().await.unwrap().is_some());
}

/// The absolute lifetime is exact to the second, whatever visits are recorded.
pub async fn session_expires_at_absolute_lifetime(site: TestSite) {
    let store = new_browser(&*site).await;
    let clock = site.clock();
    for (last, is_valid) in [(49, true), (50, false), (51, false)] {
        let session = session_of("1", &clock);
        store.start(&session).await.unwrap();
        for seconds in [90, 90, 20] {
            clock.advance(TimeDelta::seconds(seconds));
            store.update(&SessionChange::Seen(clock.now())).await.unwrap();
        }
        clock.advance(TimeDelta::seconds(last));
        let current = store.current().await.unwrap();
        assert_eq!(current.is_some(), is_valid, "after {} s", 200 + last);
    }
}

/// The latest log-in counts.
pub async fn start_replaces_session(site: TestSite) {
    let store = new_browser(&*site).await;
    let clock = site.clock();
    store.start(&session_of("1", &clock)).await.unwrap();
    let second = session_of("2", &clock);
    store.start(&second).await.unwrap();
    assert_eq!(store.current().await, Ok(Some(second)));
}

/// An attempt is returned whole, and once.
pub async fn attempt_is_returned_once(site: TestSite) {
    let store = new_browser(&*site).await;
    let clock = site.clock();
    let attempt = attempt_of("a", &clock);
    store.remember(&attempt).await.unwrap();
    assert_eq!(store.take(&attempt.state).await, Ok(Some(attempt.clone())));
    assert_eq!(store.take(&attempt.state).await, Ok(None));
}

/// A state that this browser did not begin with is unknown, and removes nothing.
pub async fn unknown_state_has_no_attempt(site: TestSite) {
    let store = new_browser(&*site).await;
    let clock = site.clock();
    let attempt = attempt_of("a", &clock);
    store.remember(&attempt).await.unwrap();
    for state in ["b", "", "A", "a "] {
        assert_eq!(store.take(&State::new(state)).await, Ok(None));
    }
    assert_eq!(store.take(&attempt.state).await, Ok(Some(attempt)));
}

/// As many attempts as allowed may be open; one more replaces the oldest.
pub async fn oldest_attempt_makes_room(site: TestSite) {
    let store = new_browser(&*site).await;
    let clock = site.clock();
    // Not in alphabetical order, in which a store might keep them.
    let state =
        |number: usize| format!("{}-{number}", (b'z' - u8::try_from(number).unwrap()) as char);
    for number in 0..=LoginAttempt::MAX_OPEN {
        clock.advance(TimeDelta::seconds(1));
        store.remember(&attempt_of(&state(number), &clock)).await.unwrap();
    }
    assert_eq!(store.take(&State::new(state(0))).await, Ok(None));
    for number in 1..=LoginAttempt::MAX_OPEN {
        let attempt = store.take(&State::new(state(number))).await.unwrap();
        assert_eq!(attempt.map(|attempt| attempt.state), Some(State::new(state(number))));
    }
}

/// Tabs do not affect each other, whichever comes back first.
pub async fn attempts_are_taken_in_any_order(site: TestSite) {
    let store = new_browser(&*site).await;
    let clock = site.clock();
    for [first, second, which] in [["1", "2", "1"], ["3", "4", "4"]] {
        let attempts = [attempt_of(first, &clock), attempt_of(second, &clock)];
        store.remember(&attempts[0]).await.unwrap();
        store.remember(&attempts[1]).await.unwrap();
        let [a, b] = attempts;
        let order = if a.state == State::new(which) { [a, b] } else { [b, a] };
        for attempt in order {
            assert_eq!(store.take(&attempt.state).await, Ok(Some(attempt)));
        }
    }
}

/// Log-in and log-out in one tab do not affect a log-in that was started in another.
pub async fn sessions_leave_attempts_alone(site: TestSite) {
    let store = new_browser(&*site).await;
    let clock = site.clock();
    let attempt = attempt_of("a", &clock);
    store.remember(&attempt).await.unwrap();
    store.start(&session_of("1", &clock)).await.unwrap();
    store.end().await.unwrap();
    assert_eq!(store.take(&attempt.state).await, Ok(Some(attempt)));
}

/// The loop guard is returned as it was set, also when it is reset.
pub async fn remembers_login_loop_guard(site: TestSite) {
    let browser = new_browser(&*site).await;
    assert!(browser.loop_guard().await.is_empty());
    let mut guard = LoginLoopGuard::default();
    guard.record_success(site.clock().now());
    browser.set_loop_guard(&guard).await;
    assert_eq!(browser.loop_guard().await, guard);
    browser.set_loop_guard(&LoginLoopGuard::default()).await;
    assert!(browser.loop_guard().await.is_empty());
}

/// 12 kB of claims and tokens are kept. Only the ID token may be left out.
pub async fn keeps_large_session_whole(site: TestSite) {
    let store = new_browser(&*site).await;
    let session = large_session(&site.clock());
    store.start(&session).await.unwrap();
    let mut stored = store.current().await.unwrap().unwrap();
    if stored.identity.tokens.id_token.is_none() {
        stored.identity.tokens.id_token = session.identity.tokens.id_token.clone();
    }
    assert_eq!(stored, session);
}

/// Nothing of a large session is left in the small one after it.
pub async fn small_session_replaces_large_one(site: TestSite) {
    let store = new_browser(&*site).await;
    let clock = site.clock();
    store.start(&large_session(&clock)).await.unwrap();
    let small = session_of("small", &clock);
    store.start(&small).await.unwrap();
    assert_eq!(store.current().await, Ok(Some(small.clone())));
    let change = SessionChange::Seen(clock.now());
    let small = small.with(change.clone());
    store.update(&change).await.unwrap();
    assert_eq!(store.current().await, Ok(Some(small)));
}
