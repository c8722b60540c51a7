//! What the store promises to one visitor.

use chrono::TimeDelta;

use super::{Fresh, attempt_of, session_of, stranger};
use crate::fakes::ManualClock;
use portico_domain::{
    model::{Change, Claims, IdToken, Session, State, Tokens},
    ports::Clock,
};

/// About 12 kB, half of it claims and half a token, so that no kind of text is favoured.
fn large_session(clock: &ManualClock) -> Session {
    let mut session = session_of("large", clock);
    let mut claims = session.claims.to_map();
    let groups: Vec<_> = (0..300).map(|number| format!("Gruppe-{number}-\u{e4}\u{f6}")).collect();
    claims.insert("groups".into(), groups.into());
    session.claims = Claims::new(&claims);
    session.tokens =
        Tokens { id_token: IdToken::new("eyJhbGci".repeat(750)), ..session.tokens.clone() };
    session
}

/// Nobody is signed in who has not signed in.
pub async fn a_stranger_has_no_session(site: Fresh) {
    let store = stranger(&*site).await;
    assert_eq!(store.current().await, Ok(None));
}

/// All of the session comes back, at every later request.
pub async fn a_session_that_was_started_is_there(site: Fresh) {
    let store = stranger(&*site).await;
    let clock = site.clock();
    let mut session = session_of("1", &clock);
    session.tokens.access_token_expires_at = Some(clock.now() + TimeDelta::hours(1));
    store.start(&session).await.unwrap();
    assert_eq!(store.current().await, Ok(Some(session.clone())));
    assert_eq!(store.current().await, Ok(Some(session)));
}

/// After its end nobody is signed in.
pub async fn a_session_that_was_ended_is_gone(site: Fresh) {
    let store = stranger(&*site).await;
    let clock = site.clock();
    store.start(&session_of("1", &clock)).await.unwrap();
    store.end().await.unwrap();
    assert_eq!(store.current().await, Ok(None));
}

/// Neither a stranger nor someone who logged out twice did anything wrong.
pub async fn ending_twice_is_no_error(site: Fresh) {
    let store = stranger(&*site).await;
    let clock = site.clock();
    store.end().await.unwrap();
    store.start(&session_of("1", &clock)).await.unwrap();
    store.end().await.unwrap();
    store.end().await.unwrap();
    assert_eq!(store.current().await, Ok(None));
}

/// A change is kept.
pub async fn a_session_changes_while_it_exists(site: Fresh) {
    let store = stranger(&*site).await;
    let clock = site.clock();
    let session = session_of("1", &clock);
    store.start(&session).await.unwrap();
    clock.advance(TimeDelta::seconds(60));
    let change = Change::Seen(clock.now());
    let session = session.with(change.clone());
    assert_eq!(store.update(&change).await, Ok(Some(session.clone())));
    assert_eq!(store.current().await, Ok(Some(session)));
}

/// A change brings no session back, nor makes one.
pub async fn a_session_that_was_ended_stays_ended(site: Fresh) {
    let store = stranger(&*site).await;
    let clock = site.clock();
    let session = session_of("1", &clock);
    let change = Change::Seen(clock.now());
    assert_eq!(store.update(&change).await, Ok(None));
    assert_eq!(store.current().await, Ok(None));
    store.start(&session).await.unwrap();
    store.end().await.unwrap();
    assert_eq!(store.update(&change).await, Ok(None));
    assert_eq!(store.current().await, Ok(None));
}

/// The rolling lifetime holds to the second.
pub async fn a_session_ends_when_nobody_comes(site: Fresh) {
    let store = stranger(&*site).await;
    let clock = site.clock();
    let session = session_of("1", &clock);
    for (seconds, there) in [(99, true), (100, false), (101, false)] {
        let session = Session { started_at: clock.now(), seen_at: clock.now(), ..session.clone() };
        store.start(&session).await.unwrap();
        clock.advance(TimeDelta::seconds(seconds));
        let current = store.current().await.unwrap();
        assert_eq!(current.is_some(), there, "after {seconds} s");
    }
}

/// The rolling lifetime counts from the last visit that was noted.
pub async fn a_visit_keeps_a_session_going(site: Fresh) {
    let store = stranger(&*site).await;
    let clock = site.clock();
    let session = session_of("1", &clock);
    store.start(&session).await.unwrap();
    clock.advance(TimeDelta::seconds(60));
    store.update(&Change::Seen(clock.now())).await.unwrap();
    clock.advance(TimeDelta::seconds(60));
    assert!(store.current().await.unwrap().is_some());
}

/// The absolute lifetime holds to the second, however often the visitor comes.
pub async fn a_session_ends_when_it_is_old(site: Fresh) {
    let store = stranger(&*site).await;
    let clock = site.clock();
    for (last, there) in [(49, true), (50, false), (51, false)] {
        let session = session_of("1", &clock);
        store.start(&session).await.unwrap();
        for seconds in [90, 90, 20] {
            clock.advance(TimeDelta::seconds(seconds));
            store.update(&Change::Seen(clock.now())).await.unwrap();
        }
        clock.advance(TimeDelta::seconds(last));
        let current = store.current().await.unwrap();
        assert_eq!(current.is_some(), there, "after {} s", 200 + last);
    }
}

/// Whoever signs in is the one who is signed in.
pub async fn starting_replaces_the_session(site: Fresh) {
    let store = stranger(&*site).await;
    let clock = site.clock();
    store.start(&session_of("1", &clock)).await.unwrap();
    let second = session_of("2", &clock);
    store.start(&second).await.unwrap();
    assert_eq!(store.current().await, Ok(Some(second)));
}

/// An attempt comes back whole, and once.
pub async fn an_attempt_is_good_once(site: Fresh) {
    let store = stranger(&*site).await;
    let clock = site.clock();
    let attempt = attempt_of("a", &clock);
    store.remember(&attempt).await.unwrap();
    assert_eq!(store.take_attempt(&attempt.state).await, Ok(Some(attempt.clone())));
    assert_eq!(store.take_attempt(&attempt.state).await, Ok(None));
}

/// A state that this visitor did not begin with is unknown, and takes nothing away.
pub async fn an_unknown_state_has_no_attempt(site: Fresh) {
    let store = stranger(&*site).await;
    let clock = site.clock();
    let attempt = attempt_of("a", &clock);
    store.remember(&attempt).await.unwrap();
    for state in ["b", "", "A", "a "] {
        assert_eq!(store.take_attempt(&State::new(state)).await, Ok(None));
    }
    assert_eq!(store.take_attempt(&attempt.state).await, Ok(Some(attempt)));
}

/// Five attempts may be open, and the sixth is one of them.
pub async fn the_oldest_attempt_makes_room_for_the_sixth(site: Fresh) {
    let store = stranger(&*site).await;
    let clock = site.clock();
    // Not in the order of the alphabet, which a store might keep them in.
    for state in ["f", "b", "e", "a", "d", "c"] {
        clock.advance(TimeDelta::seconds(1));
        store.remember(&attempt_of(state, &clock)).await.unwrap();
    }
    assert_eq!(store.take_attempt(&State::new("f")).await, Ok(None));
    for state in ["a", "b", "c", "d", "e"] {
        let attempt = store.take_attempt(&State::new(state)).await.unwrap();
        assert_eq!(attempt.map(|attempt| attempt.state), Some(State::new(state)));
    }
}

/// Two tabs do not disturb each other, whichever comes back first.
pub async fn attempts_are_taken_in_any_order(site: Fresh) {
    let store = stranger(&*site).await;
    let clock = site.clock();
    for [first, second, which] in [["1", "2", "1"], ["3", "4", "4"]] {
        let attempts = [attempt_of(first, &clock), attempt_of(second, &clock)];
        store.remember(&attempts[0]).await.unwrap();
        store.remember(&attempts[1]).await.unwrap();
        let [a, b] = attempts;
        let order = if a.state == State::new(which) { [a, b] } else { [b, a] };
        for attempt in order {
            assert_eq!(store.take_attempt(&attempt.state).await, Ok(Some(attempt)));
        }
    }
}

/// What one tab does about its session is nothing to a login begun in another.
pub async fn signing_in_leaves_other_attempts_alone(site: Fresh) {
    let store = stranger(&*site).await;
    let clock = site.clock();
    let attempt = attempt_of("a", &clock);
    store.remember(&attempt).await.unwrap();
    store.start(&session_of("1", &clock)).await.unwrap();
    store.end().await.unwrap();
    assert_eq!(store.take_attempt(&attempt.state).await, Ok(Some(attempt)));
}

/// 12 kB of claims and tokens come back to the byte.
pub async fn a_large_session_is_kept_whole(site: Fresh) {
    let store = stranger(&*site).await;
    let clock = site.clock();
    let session = large_session(&clock);
    store.start(&session).await.unwrap();
    assert_eq!(store.current().await, Ok(Some(session)));
}

/// Nothing of a large session is left in the small one after it.
pub async fn a_small_session_replaces_a_large_one(site: Fresh) {
    let store = stranger(&*site).await;
    let clock = site.clock();
    store.start(&large_session(&clock)).await.unwrap();
    let small = session_of("small", &clock);
    store.start(&small).await.unwrap();
    assert_eq!(store.current().await, Ok(Some(small.clone())));
    let change = Change::Seen(clock.now());
    let small = small.with(change.clone());
    store.update(&change).await.unwrap();
    assert_eq!(store.current().await, Ok(Some(small)));
}
