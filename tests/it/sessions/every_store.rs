//! What holds for each store with several instances of a site.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use portico_domain::{
    model::{AccessToken, Change, Refreshed, Revocation, Session, SessionId, State, Tokens},
    ports::{Clock, SessionStore, Turn},
    testing,
};
use tokio::time::timeout;

use portico_adapters::testing::Browser;

use super::{ANOTHER_KEY, KEY, Kind, Shared, Store};

/// A person signed in at one instance, and the same browser at another.
struct Two {
    one: Browser,
    other: Browser,
    /// The stores of both.
    stores: [Arc<dyn Store>; 2],
    shared: Shared,
}

impl Two {
    async fn new(kind: Kind) -> Self {
        let shared = Shared::new(kind).await;
        let stores = [shared.instance(KEY, &[]), shared.instance(KEY, &[])];
        let one = Browser::at(stores[0].clone(), KEY).await;
        let other = Browser::at(stores[1].clone(), KEY).await;
        one.start(&testing::session()).await.unwrap();
        other.take_cookies_of(&one);
        Self { one, other, stores, shared }
    }

    /// A third instance.
    async fn another(&self) -> Browser {
        Browser::at(self.shared.instance(KEY, &[]), KEY).await
    }

    /// Within the 5 seconds that are promised.
    async fn other_learns_that_it_ended(&self) {
        let cookies = self.other.copy();
        let over = async {
            while self.other.current().await.unwrap().is_some() {
                self.other.put_back(cookies.clone());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(Duration::from_secs(5), over).await.expect("the session has ended");
    }
}

fn refreshed(token: &str) -> Change {
    let tokens = Tokens { access_token: AccessToken::new(token), ..testing::session().tokens };
    Change::Refreshed(Refreshed { tokens, permissions: None })
}

pub(super) async fn what_one_instance_starts_another_knows_and_either_ends_it(kind: Kind) {
    let two = Two::new(kind).await;
    assert_eq!(two.other.current().await, Ok(Some(testing::session())));
    let stolen = two.one.copy();
    two.one.end().await.unwrap();
    assert_eq!(two.one.names(), [""; 0]);
    // A copy of the cookies is good for nothing, at once here and soon there.
    two.one.put_back(stolen);
    assert_eq!(two.one.current().await, Ok(None));
    two.other_learns_that_it_ended().await;
}

pub(super) async fn revocations_outlast_a_restart(kind: Kind) {
    let two = Two::new(kind).await;
    let Session { issuer, subject, .. } = testing::session();
    let revocation = Revocation::Person { issuer, subject, except: None };
    two.stores[0].revoke(&revocation).await.unwrap();
    let restarted = two.another().await;
    restarted.take_cookies_of(&two.other);
    assert_eq!(restarted.current().await, Ok(None));
}

pub(super) async fn who_signs_in_after_a_revocation_stays(kind: Kind) {
    let two = Two::new(kind).await;
    let Session { issuer, subject, provider_session, .. } = testing::session();
    let sid = provider_session.unwrap();
    let revocation = Revocation::ProviderSession { issuer, sid, subject: Some(subject) };
    two.stores[0].revoke(&revocation).await.unwrap();
    assert_eq!(two.one.current().await, Ok(None));
    two.shared.clock.advance(TimeDelta::seconds(1));
    let again =
        Session { id: SessionId::new([2; 32]), ..testing::session_at(two.shared.clock.now()) };
    two.one.start(&again).await.unwrap();
    assert_eq!(two.one.current().await, Ok(Some(again)));
}

pub(super) async fn only_the_sessions_that_are_meant_end(kind: Kind) {
    let two = Two::new(kind).await;
    let third = Session { id: SessionId::new([3; 32]), ..testing::session() };
    let elsewhere = two.another().await;
    elsewhere.start(&third).await.unwrap();
    let Session { issuer, subject, id, .. } = testing::session();
    let another = "another".to_owned();
    let theirs =
        Revocation::Person { issuer: issuer.clone(), subject: another.clone(), except: None };
    let foreign = Revocation::Session { issuer: issuer.clone(), subject: another, id };
    let registry = &two.stores[0];
    for revocation in [theirs, foreign] {
        registry.revoke(&revocation).await.unwrap();
        assert!(two.one.current().await.unwrap().is_some());
    }
    if let Some(mut all) = registry.list(&issuer, &subject).await.unwrap() {
        all.sort_by_key(|session| *session.id.as_bytes());
        assert_eq!(all, [testing::session().summary(), third.summary()]);
    }
    registry.revoke(&Revocation::Person { issuer, subject, except: Some(id) }).await.unwrap();
    assert!(two.one.current().await.unwrap().is_some());
    // A fresh instance knows at once.
    let fresh = two.another().await;
    fresh.take_cookies_of(&elsewhere);
    assert_eq!(fresh.current().await, Ok(None));
}

pub(super) async fn a_visit_and_a_refresh_at_once_undo_nothing(kind: Kind) {
    let two = Two::new(kind).await;
    two.shared.clock.advance(TimeDelta::seconds(10));
    let before = two.one.copy();
    two.one.update(&refreshed("newer")).await.unwrap();
    // The visit comes with the cookies from before the refresh, and answers after it.
    two.one.put_back(before);
    two.one.update(&Change::Seen(two.shared.clock.now())).await.unwrap();
    let session = two.one.current().await.unwrap().unwrap();
    assert_eq!(session.tokens.access_token, AccessToken::new("newer"));
    assert_eq!(session.seen_at, two.shared.clock.now());
}

pub(super) async fn who_waits_for_the_turn_gets_what_the_one_before_left(kind: Kind) {
    let two = Two::new(kind).await;
    assert_eq!(two.one.take_turn().await, Ok(Turn::Yours(testing::session())));
    let refresh = async {
        two.one.update(&refreshed("newer")).await.unwrap();
        two.one
            .visit(|store| {
                Box::pin(async move {
                    store.current().await.unwrap();
                    store.end_turn().await.unwrap();
                })
            })
            .await;
    };
    // The same browser with its old cookies.
    let cookies = two.one.copy();
    let (waited, ()) = tokio::join!(two.one.take_turn(), refresh);
    // Who comes late may find the turn free again, and the session refreshed all the same.
    let is_free = matches!(waited, Ok(Turn::Yours(_)));
    let Ok(Turn::Over(Some(session)) | Turn::Yours(session)) = waited else { panic!("{waited:?}") };
    assert_eq!(session.tokens.access_token, AccessToken::new("newer"));
    two.one.put_back(cookies);
    let late = two.one.current().await.unwrap().unwrap();
    assert_eq!(late.tokens.access_token, AccessToken::new("newer"));
    if !is_free {
        assert!(matches!(two.one.take_turn().await, Ok(Turn::Yours(_))));
    }
}

pub(super) async fn of_two_takers_one_gets_the_attempt(kind: Kind) {
    let two = Two::new(kind).await;
    let attempt = testing::attempt("a", "/");
    two.one.remember(&attempt).await.unwrap();
    two.other.take_cookies_of(&two.one);
    let state = State::new("a");
    let (here, there) = tokio::join!(two.one.take_attempt(&state), two.other.take_attempt(&state));
    let taken = [here, there].map(|taken| taken.unwrap().is_some());
    assert!(taken == [true, false] || taken == [false, true], "{taken:?}");
}

pub(super) async fn a_value_is_good_once_until_it_is_forgotten(kind: Kind) {
    let two = Two::new(kind).await;
    let (here, there) = (&two.stores[0], &two.stores[1]);
    let until = two.shared.clock.now() + TimeDelta::seconds(60);
    let (a, b) = tokio::join!(here.first_use("jti", until), there.first_use("jti", until));
    assert!(a.unwrap() != b.unwrap());
    assert_eq!(here.first_use("another", until).await, Ok(true));
    two.shared.clock.advance(TimeDelta::seconds(59));
    assert_eq!(here.first_use("jti", until).await, Ok(false));
    two.shared.clock.advance(TimeDelta::seconds(1));
    let until = two.shared.clock.now() + TimeDelta::seconds(60);
    assert_eq!(here.first_use("jti", until).await, Ok(true));
}

pub(super) async fn a_changed_key_opens_what_the_earlier_one_sealed_and_seals_it_anew(kind: Kind) {
    let two = Two::new(kind).await;
    let attempt = testing::attempt("a", "/");
    two.one.remember(&attempt).await.unwrap();
    let changed = |previous| two.shared.instance(ANOTHER_KEY, previous);
    let with_both = Browser::at(changed(&[KEY]), ANOTHER_KEY).await;
    with_both.take_cookies_of(&two.one);
    assert_eq!(with_both.current().await, Ok(Some(testing::session())));
    assert_eq!(with_both.take_attempt(&attempt.state).await, Ok(Some(attempt)));

    // From now on the earlier key is not needed.
    let without = Browser::at(changed(&[]), ANOTHER_KEY).await;
    without.take_cookies_of(&with_both);
    assert_eq!(without.current().await, Ok(Some(testing::session())));

    // Whoever did not come in time is a stranger.
    without.take_cookies_of(&two.other);
    assert_eq!(without.current().await, Ok(None));
    assert_eq!(without.names(), [""; 0]);
}
