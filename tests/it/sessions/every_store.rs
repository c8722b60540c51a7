//! What holds for each store with several instances of a site.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use portico_domain::{
    model::{AccessToken, Change, Refreshed, Revocation, Session, SessionId, State, Tokens},
    ports::{Clock, SessionStore, Turn},
    testing,
};
use tokio::time::timeout;

use super::{ANOTHER_KEY, Browser, KEY, Shared, Store};

type Make = fn(&Shared) -> Arc<dyn Store>;

const STORES: [(&str, Make); 2] = [
    ("cookies", |shared| shared.cookies(false, &[])),
    ("SQLite", |shared| shared.in_database(KEY, &[])),
];

/// A person signed in at one instance, and the same browser at another.
struct Two {
    one: Browser,
    other: Browser,
    shared: Arc<Shared>,
}

impl Two {
    async fn new(make: Make) -> Self {
        let shared = Arc::new(Shared::new().await);
        let one = Browser::at(make(&shared), KEY, &shared).await;
        let other = Browser::at(make(&shared), KEY, &shared).await;
        one.start(&testing::session()).await.unwrap();
        other.take_cookies_of(&one);
        Self { one, other, shared }
    }

    /// Within the 5 seconds that are promised.
    async fn other_learns_that_it_ended(&self) {
        let cookies = self.other.cookies.lock().unwrap().clone();
        let over = async {
            while self.other.current().await.unwrap().is_some() {
                self.other.cookies.lock().unwrap().clone_from(&cookies);
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

#[tokio::test]
async fn what_one_instance_starts_another_knows_and_either_ends_it() {
    for (store, make) in STORES {
        let two = Two::new(make).await;
        assert_eq!(two.other.current().await, Ok(Some(testing::session())), "{store}");
        let stolen = two.one.cookies.lock().unwrap().clone();
        two.one.end().await.unwrap();
        assert_eq!(two.one.names(), [""; 0], "{store}");
        // A copy of the cookies is good for nothing, at once here and soon there.
        *two.one.cookies.lock().unwrap() = stolen;
        assert_eq!(two.one.current().await, Ok(None), "{store}");
        two.other_learns_that_it_ended().await;
    }
}

#[tokio::test]
async fn revocations_outlast_a_restart() {
    for (store, make) in STORES {
        let two = Two::new(make).await;
        let Session { issuer, subject, .. } = testing::session();
        let revocation = Revocation::Person { issuer, subject, except: None };
        two.one.site.sessions.revoke(&revocation).await.unwrap();
        let restarted = Browser::at(make(&two.shared), KEY, &two.shared).await;
        restarted.take_cookies_of(&two.other);
        assert_eq!(restarted.current().await, Ok(None), "{store}");
    }
}

#[tokio::test]
async fn who_signs_in_after_a_revocation_stays() {
    for (store, make) in STORES {
        let two = Two::new(make).await;
        let Session { issuer, subject, provider_session, .. } = testing::session();
        let sid = provider_session.unwrap();
        let revocation = Revocation::ProviderSession { issuer, sid, subject: Some(subject) };
        two.one.site.sessions.revoke(&revocation).await.unwrap();
        assert_eq!(two.one.current().await, Ok(None), "{store}");
        two.shared.clock.advance(TimeDelta::seconds(1));
        let again =
            Session { id: SessionId::new([2; 32]), ..testing::session_at(two.shared.clock.now()) };
        two.one.start(&again).await.unwrap();
        assert_eq!(two.one.current().await, Ok(Some(again)), "{store}");
    }
}

#[tokio::test]
async fn only_the_sessions_that_are_meant_end() {
    for (store, make) in STORES {
        let two = Two::new(make).await;
        let third = Session { id: SessionId::new([3; 32]), ..testing::session() };
        let elsewhere = Browser::at(make(&two.shared), KEY, &two.shared).await;
        elsewhere.start(&third).await.unwrap();
        let Session { issuer, subject, id, .. } = testing::session();
        let another = "another".to_owned();
        let theirs =
            Revocation::Person { issuer: issuer.clone(), subject: another.clone(), except: None };
        let foreign = Revocation::Session { issuer: issuer.clone(), subject: another, id };
        let registry = &two.one.site.sessions;
        for revocation in [theirs, foreign] {
            registry.revoke(&revocation).await.unwrap();
            assert!(two.one.current().await.unwrap().is_some(), "{store}");
        }
        if let Some(mut all) = registry.list(&issuer, &subject).await.unwrap() {
            all.sort_by_key(|session| *session.id.as_bytes());
            assert_eq!(all, [testing::session().summary(), third.summary()], "{store}");
        }
        registry.revoke(&Revocation::Person { issuer, subject, except: Some(id) }).await.unwrap();
        assert!(two.one.current().await.unwrap().is_some(), "{store}");
        elsewhere.take_cookies_of(&elsewhere_at(&two, make, &elsewhere).await);
        assert_eq!(elsewhere_at(&two, make, &elsewhere).await.current().await, Ok(None), "{store}");
    }
}

/// A fresh instance with the cookies of the browser.
async fn elsewhere_at(two: &Two, make: Make, browser: &Browser) -> Browser {
    let fresh = Browser::at(make(&two.shared), KEY, &two.shared).await;
    fresh.take_cookies_of(browser);
    fresh
}

#[tokio::test]
async fn a_visit_and_a_refresh_at_once_undo_nothing() {
    for (store, make) in STORES {
        let two = Two::new(make).await;
        two.shared.clock.advance(TimeDelta::seconds(10));
        let before = two.one.cookies.lock().unwrap().clone();
        two.one.update(&refreshed("newer")).await.unwrap();
        // The visit comes with the cookies from before the refresh, and answers after it.
        *two.one.cookies.lock().unwrap() = before;
        two.one.update(&Change::Seen(two.shared.clock.now())).await.unwrap();
        let session = two.one.current().await.unwrap().unwrap();
        assert_eq!(session.tokens.access_token, AccessToken::new("newer"), "{store}");
        assert_eq!(session.seen_at, two.shared.clock.now(), "{store}");
    }
}

#[tokio::test]
async fn who_waits_for_the_turn_gets_what_the_one_before_left() {
    for (store, make) in STORES {
        let two = Two::new(make).await;
        assert_eq!(two.one.take_turn().await, Ok(Turn::Yours(testing::session())), "{store}");
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
        let cookies = two.one.cookies.lock().unwrap().clone();
        let (waited, ()) = tokio::join!(two.one.take_turn(), refresh);
        // Who comes late may find the turn free again, and the session refreshed all the same.
        let is_free = matches!(waited, Ok(Turn::Yours(_)));
        let Ok(Turn::Over(Some(session)) | Turn::Yours(session)) = waited else {
            panic!("{store}: {waited:?}")
        };
        assert_eq!(session.tokens.access_token, AccessToken::new("newer"), "{store}");
        *two.one.cookies.lock().unwrap() = cookies;
        let late = two.one.current().await.unwrap().unwrap();
        assert_eq!(late.tokens.access_token, AccessToken::new("newer"), "{store}");
        if !is_free {
            assert!(matches!(two.one.take_turn().await, Ok(Turn::Yours(_))), "{store}");
        }
    }
}

#[tokio::test]
async fn of_two_takers_one_gets_the_attempt() {
    for (store, make) in STORES {
        let two = Two::new(make).await;
        let attempt = testing::attempt("a", "/");
        two.one.remember(&attempt).await.unwrap();
        two.other.take_cookies_of(&two.one);
        let state = State::new("a");
        let (here, there) =
            tokio::join!(two.one.take_attempt(&state), two.other.take_attempt(&state));
        let taken = [here, there].map(|taken| taken.unwrap().is_some());
        assert!(taken == [true, false] || taken == [false, true], "{store}: {taken:?}");
    }
}

#[tokio::test]
async fn a_value_is_good_once_until_it_is_forgotten() {
    for (store, make) in STORES {
        let two = Two::new(make).await;
        let (here, there) = (&two.one.site.sessions, &two.other.site.sessions);
        let until = two.shared.clock.now() + TimeDelta::seconds(60);
        let (a, b) = tokio::join!(here.first_use("jti", until), there.first_use("jti", until));
        assert!(a.unwrap() != b.unwrap(), "{store}");
        assert_eq!(here.first_use("another", until).await, Ok(true), "{store}");
        two.shared.clock.advance(TimeDelta::seconds(59));
        assert_eq!(here.first_use("jti", until).await, Ok(false), "{store}");
        two.shared.clock.advance(TimeDelta::seconds(1));
        let until = two.shared.clock.now() + TimeDelta::seconds(60);
        assert_eq!(here.first_use("jti", until).await, Ok(true), "{store}");
    }
}

#[tokio::test]
async fn a_changed_key_opens_what_the_earlier_one_sealed_and_seals_it_anew() {
    type Changed = fn(&Shared, &[&str]) -> Arc<dyn Store>;
    let changed: [Changed; 2] = [
        |shared, previous| shared.cookies(false, previous),
        |shared, previous| shared.in_database(ANOTHER_KEY, previous),
    ];
    for ((store, make), changed) in STORES.into_iter().zip(changed) {
        let two = Two::new(make).await;
        let attempt = testing::attempt("a", "/");
        two.one.remember(&attempt).await.unwrap();
        let with_both = Browser::at(changed(&two.shared, &[KEY]), ANOTHER_KEY, &two.shared).await;
        with_both.take_cookies_of(&two.one);
        assert_eq!(with_both.current().await, Ok(Some(testing::session())), "{store}");
        assert_eq!(with_both.take_attempt(&attempt.state).await, Ok(Some(attempt)), "{store}");

        // From now on the earlier key is not needed.
        let without = Browser::at(changed(&two.shared, &[]), ANOTHER_KEY, &two.shared).await;
        without.take_cookies_of(&with_both);
        assert_eq!(without.current().await, Ok(Some(testing::session())), "{store}");

        // Whoever did not come in time is a stranger.
        without.take_cookies_of(&two.other);
        assert_eq!(without.current().await, Ok(None), "{store}");
        assert_eq!(without.names(), [""; 0], "{store}");
    }
}
