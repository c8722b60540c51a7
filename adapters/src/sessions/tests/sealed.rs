//! What the database shows, and how it forgets.

use std::sync::Arc;

use chrono::TimeDelta;
use portico_contracts::fixtures;
use portico_domain::{
    model::{AccessToken, Revocation, Session},
    ports::{Clock, SessionStore},
};

use super::{KEY, Shared, vault::Index};
use crate::testing::Browser;

#[tokio::test]
async fn the_database_shows_neither_tokens_nor_what_the_browser_holds() {
    let shared = Arc::new(Shared::new().await);
    let browser = Browser::at(shared.in_database(), KEY).await;
    let mut session = fixtures::session();
    session.tokens.access_token = AccessToken::new("a secret token");
    browser.start(&session).await.unwrap();
    // All that was written, wherever SQLite put it.
    let mut written = Vec::new();
    for file in std::fs::read_dir(shared.folder.path()).unwrap() {
        written.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let shows = |text: &str| written.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(shows("leased_until"), "this is where the sessions are");
    for secret in ["a secret token", "user-1", "jo@example.com", "provider-session"] {
        assert!(!shows(secret), "{secret}");
    }
    // What the browser holds is sealed in its cookie; the hash of it alone is here.
    assert!(!shows(&browser.value("portico_session")));
}

#[tokio::test]
async fn what_has_expired_is_swept_and_nothing_else() {
    let shared = Arc::new(Shared::new().await);
    let (early, late) = (
        Browser::at(shared.in_database(), KEY).await,
        Browser::at(shared.in_database(), KEY).await,
    );
    early.start(&fixtures::session()).await.unwrap();
    shared.clock.advance(TimeDelta::seconds(50));
    late.start(&fixtures::session_at(shared.clock.now())).await.unwrap();
    shared.clock.advance(TimeDelta::seconds(50));
    let vault = shared.database.vault();
    let Session { issuer, subject, .. } = fixtures::session();
    let theirs = Index::of(&Revocation::Person { issuer, subject, except: None });
    assert_eq!(vault.find(&theirs).await.unwrap().len(), 2);
    vault.sweep(shared.clock.now()).await.unwrap();
    assert_eq!(vault.find(&theirs).await.unwrap().len(), 1);
    assert!(late.current().await.unwrap().is_some());
}

#[tokio::test]
async fn a_session_moved_to_another_key_does_not_open() {
    let shared = Arc::new(Shared::new().await);
    let browser = Browser::at(shared.in_database(), KEY).await;
    let other = Browser::at(shared.in_database(), KEY).await;
    browser.start(&fixtures::session()).await.unwrap();
    let another = Session { subject: "user-2".into(), ..fixtures::session() };
    other.start(&another).await.unwrap();
    let vault = shared.database.vault();
    let of = |session: &Session| {
        let (issuer, subject) = (session.issuer.clone(), session.subject.clone());
        Index::of(&Revocation::Person { issuer, subject, except: None })
    };
    let (_, mine) = vault.find(&of(&fixtures::session())).await.unwrap().remove(0);
    let (key, theirs) = vault.find(&of(&another)).await.unwrap().remove(0);
    let moved =
        super::vault::Kept::new(key, &another, mine, shared.clock.now(), shared.clock.now());
    assert!(vault.swap(&theirs, &moved).await.unwrap());
    assert_eq!(other.current().await, Ok(None));
    assert_eq!(browser.current().await, Ok(Some(fixtures::session())));
}

#[tokio::test]
async fn a_lease_is_one_instances_until_it_is_given_back_or_ends() {
    let shared = Arc::new(Shared::new().await);
    let browser = Browser::at(shared.in_database(), KEY).await;
    browser.start(&fixtures::session()).await.unwrap();
    let (one, other) = (shared.database.vault(), shared.database.vault());
    let Session { issuer, subject, .. } = fixtures::session();
    let theirs = Index::of(&Revocation::Person { issuer, subject, except: None });
    let (key, _) = one.find(&theirs).await.unwrap().remove(0);
    let now = shared.clock.now();
    let until = now + TimeDelta::seconds(30);
    assert_eq!(one.is_leased(&key, now).await, Ok(false));
    assert_eq!(one.lease(&key, now, until).await, Ok(true));
    assert_eq!(other.lease(&key, now, until).await, Ok(false));
    assert_eq!(other.is_leased(&key, now).await, Ok(true));
    assert_eq!(other.is_leased(&key, until).await, Ok(false));
    assert_eq!(other.lease(&key, until, until + TimeDelta::seconds(30)).await, Ok(true));
    one.release(&key).await.unwrap();
    assert_eq!(one.lease(&key, now, until).await, Ok(true));
    one.delete(&key).await.unwrap();
    assert_eq!(other.lease(&key, until, until).await, Ok(false), "it is gone");
}
