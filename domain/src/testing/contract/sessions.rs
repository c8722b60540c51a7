//! What every [`SessionStore`] promises. Each clause gets the store of one visitor who is new
//! here, with the clock that the store reads. A store whose values live for one request makes each
//! call a request of its own, so that what a call leaves behind has gone through the browser.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::{
    model::{Change, Claims, IdToken, Lifetimes, LoginAttempt, Session, State, Tokens},
    ports::{Clock, SessionStore},
    testing::{self, SetClock},
};

/// The lifetimes that the stores under test are given.
pub const LIFETIMES: Lifetimes =
    Lifetimes { rolling: TimeDelta::seconds(100), absolute: TimeDelta::seconds(250) };

type Store = Arc<dyn SessionStore>;

/// Makes a named test of each clause. Takes a future of `(Arc<dyn SessionStore>, Arc<SetClock>)`:
/// the store of one new visitor under [`LIFETIMES`], and its clock; then attributes for all the
/// tests, if any.
///
/// [`LIFETIMES`]: crate::testing::contract::sessions::LIFETIMES
#[macro_export]
macro_rules! session_store_contract {
    ($fresh:expr $(, #[$attribute:meta])* $(,)?) => {
        $crate::session_store_contract! {
            @clauses [$(#[$attribute])*] $fresh;
            a_stranger_has_no_session
            a_session_that_was_started_is_there
            a_session_that_was_ended_is_gone
            ending_twice_is_no_error
            a_session_changes_while_it_exists
            a_session_that_was_ended_stays_ended
            a_session_ends_when_nobody_comes
            a_visit_keeps_a_session_going
            a_session_ends_when_it_is_old
            starting_replaces_the_session
            an_attempt_is_good_once
            an_unknown_state_has_no_attempt
            the_oldest_attempt_makes_room_for_the_sixth
            attempts_are_taken_in_any_order
            signing_in_leaves_other_attempts_alone
            a_large_session_is_kept_whole
            a_small_session_replaces_a_large_one
        }
    };
    (@clauses $attributes:tt $fresh:expr; $($clause:ident)+) => {
        $($crate::session_store_contract!(@one $attributes $fresh; $clause);)+
    };
    (@one [$(#[$attribute:meta])*] $fresh:expr; $clause:ident) => {
        #[tokio::test]
        $(#[$attribute])*
        async fn $clause() {
            let (store, clock) = $fresh.await;
            $crate::testing::contract::sessions::$clause(store, clock).await;
        }
    };
}

fn session_of(subject: &str, clock: &SetClock) -> Session {
    Session { subject: subject.into(), ..testing::session_at(clock.now()) }
}

fn attempt_of(state: &str, clock: &SetClock) -> LoginAttempt {
    LoginAttempt { started_at: clock.now(), ..testing::attempt(state, "/protected?a=b") }
}

/// About 12 kB, half of it claims and half a token, so that no kind of text is favoured.
fn large_session(clock: &SetClock) -> Session {
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
pub async fn a_stranger_has_no_session(store: Store, _: Arc<SetClock>) {
    assert_eq!(store.current().await, Ok(None));
}

/// All of the session comes back, at every later request.
pub async fn a_session_that_was_started_is_there(store: Store, clock: Arc<SetClock>) {
    let mut session = session_of("1", &clock);
    session.tokens.access_token_expires_at = Some(clock.now() + TimeDelta::hours(1));
    store.start(&session).await.unwrap();
    assert_eq!(store.current().await, Ok(Some(session.clone())));
    assert_eq!(store.current().await, Ok(Some(session)));
}

/// After its end nobody is signed in.
pub async fn a_session_that_was_ended_is_gone(store: Store, clock: Arc<SetClock>) {
    store.start(&session_of("1", &clock)).await.unwrap();
    store.end().await.unwrap();
    assert_eq!(store.current().await, Ok(None));
}

/// Neither a stranger nor someone who logged out twice did anything wrong.
pub async fn ending_twice_is_no_error(store: Store, clock: Arc<SetClock>) {
    store.end().await.unwrap();
    store.start(&session_of("1", &clock)).await.unwrap();
    store.end().await.unwrap();
    store.end().await.unwrap();
    assert_eq!(store.current().await, Ok(None));
}

/// A change is kept.
pub async fn a_session_changes_while_it_exists(store: Store, clock: Arc<SetClock>) {
    let session = session_of("1", &clock);
    store.start(&session).await.unwrap();
    clock.advance(TimeDelta::seconds(60));
    let change = Change::Seen(clock.now());
    let session = session.with(change.clone());
    assert_eq!(store.update(&change).await, Ok(Some(session.clone())));
    assert_eq!(store.current().await, Ok(Some(session)));
}

/// A change brings no session back, nor makes one.
pub async fn a_session_that_was_ended_stays_ended(store: Store, clock: Arc<SetClock>) {
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
pub async fn a_session_ends_when_nobody_comes(store: Store, clock: Arc<SetClock>) {
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
pub async fn a_visit_keeps_a_session_going(store: Store, clock: Arc<SetClock>) {
    let session = session_of("1", &clock);
    store.start(&session).await.unwrap();
    clock.advance(TimeDelta::seconds(60));
    store.update(&Change::Seen(clock.now())).await.unwrap();
    clock.advance(TimeDelta::seconds(60));
    assert!(store.current().await.unwrap().is_some());
}

/// The absolute lifetime holds to the second, however often the visitor comes.
pub async fn a_session_ends_when_it_is_old(store: Store, clock: Arc<SetClock>) {
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
pub async fn starting_replaces_the_session(store: Store, clock: Arc<SetClock>) {
    store.start(&session_of("1", &clock)).await.unwrap();
    let second = session_of("2", &clock);
    store.start(&second).await.unwrap();
    assert_eq!(store.current().await, Ok(Some(second)));
}

/// An attempt comes back whole, and once.
pub async fn an_attempt_is_good_once(store: Store, clock: Arc<SetClock>) {
    let attempt = attempt_of("a", &clock);
    store.remember(&attempt).await.unwrap();
    assert_eq!(store.take_attempt(&attempt.state).await, Ok(Some(attempt.clone())));
    assert_eq!(store.take_attempt(&attempt.state).await, Ok(None));
}

/// A state that this visitor did not begin with is unknown, and takes nothing away.
pub async fn an_unknown_state_has_no_attempt(store: Store, clock: Arc<SetClock>) {
    let attempt = attempt_of("a", &clock);
    store.remember(&attempt).await.unwrap();
    for state in ["b", "", "A", "a "] {
        assert_eq!(store.take_attempt(&State::new(state)).await, Ok(None));
    }
    assert_eq!(store.take_attempt(&attempt.state).await, Ok(Some(attempt)));
}

/// Five attempts may be open, and the sixth is one of them.
pub async fn the_oldest_attempt_makes_room_for_the_sixth(store: Store, clock: Arc<SetClock>) {
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
pub async fn attempts_are_taken_in_any_order(store: Store, clock: Arc<SetClock>) {
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
pub async fn signing_in_leaves_other_attempts_alone(store: Store, clock: Arc<SetClock>) {
    let attempt = attempt_of("a", &clock);
    store.remember(&attempt).await.unwrap();
    store.start(&session_of("1", &clock)).await.unwrap();
    store.end().await.unwrap();
    assert_eq!(store.take_attempt(&attempt.state).await, Ok(Some(attempt)));
}

/// 12 kB of claims and tokens come back to the byte.
pub async fn a_large_session_is_kept_whole(store: Store, clock: Arc<SetClock>) {
    let session = large_session(&clock);
    store.start(&session).await.unwrap();
    assert_eq!(store.current().await, Ok(Some(session)));
}

/// Nothing of a large session is left in the small one after it.
pub async fn a_small_session_replaces_a_large_one(store: Store, clock: Arc<SetClock>) {
    store.start(&large_session(&clock)).await.unwrap();
    let small = session_of("small", &clock);
    store.start(&small).await.unwrap();
    assert_eq!(store.current().await, Ok(Some(small.clone())));
    let change = Change::Seen(clock.now());
    let small = small.with(change.clone());
    store.update(&change).await.unwrap();
    assert_eq!(store.current().await, Ok(Some(small)));
}
