//! What the rows in the database reveal, and how they expire.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use portico_contracts::fixtures;
use portico_domain::{
    model::{AccessToken, Revocation, Session, Subject},
    ports::{Clock, SessionRegistry, SessionStore},
};

use super::{
    super::{
        cookie::{Entry, RevocationTable},
        diesel::tables,
        server_side::{Index, SessionBackend, SessionRecord},
    },
    CookieSessions, KEY, Shared, SystemRandomness, name, settings,
};
use crate::testing::Browser;

#[tokio::test]
async fn database_reveals_neither_tokens_nor_session_ids() {
    let shared = Arc::new(Shared::new().await);
    let browser = Browser::at(shared.in_database(), KEY).await;
    let mut session = fixtures::session();
    session.identity.tokens.access_token = AccessToken::new("a secret token");
    browser.start(&session).await.unwrap();
    // Every file that SQLite wrote.
    let mut written = Vec::new();
    for file in std::fs::read_dir(shared.folder.path()).unwrap() {
        written.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let reveals = |text: &str| written.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(reveals("refresh_locked_until"), "the files of the database");
    for secret in ["a secret token", "user-1", "jo@example.com", "provider-session"] {
        assert!(!reveals(secret), "{secret}");
    }
    assert!(!reveals(&browser.value(&name("session"))));
}

#[tokio::test]
async fn sweep_deletes_expired_sessions_only() {
    let shared = Arc::new(Shared::new().await);
    let (early, late) = (
        Browser::at(shared.in_database(), KEY).await,
        Browser::at(shared.in_database(), KEY).await,
    );
    early.start(&fixtures::session()).await.unwrap();
    shared.clock.advance(TimeDelta::seconds(50));
    late.start(&fixtures::session_at(shared.clock.now())).await.unwrap();
    shared.clock.advance(TimeDelta::seconds(50));
    let backend: Arc<dyn SessionBackend> = tables(&shared.database);
    let index = Index::of_subject(&fixtures::subject());
    assert_eq!(backend.find(&index).await.unwrap().len(), 2);
    backend.delete_expired(shared.clock.now()).await.unwrap();
    assert_eq!(backend.find(&index).await.unwrap().len(), 1);
    assert!(late.current().await.unwrap().is_some());
}

#[tokio::test]
async fn refuses_session_under_another_key() {
    let shared = Arc::new(Shared::new().await);
    let browser = Browser::at(shared.in_database(), KEY).await;
    let other = Browser::at(shared.in_database(), KEY).await;
    browser.start(&fixtures::session()).await.unwrap();
    let mut another = fixtures::session();
    another.identity.subject = Subject::new(fixtures::ISSUER, "user-2");
    other.start(&another).await.unwrap();
    let backend: Arc<dyn SessionBackend> = tables(&shared.database);
    let find = async |session: &Session| {
        backend.find(&Index::of_subject(session.subject())).await.unwrap().remove(0)
    };
    let (_, sealed) = find(&fixtures::session()).await;
    let (key, old) = find(&another).await;
    let now = shared.clock.now();
    let moved = SessionRecord::new(key, &another, sealed, now, now);
    assert!(backend.replace(&old, &moved).await.unwrap());
    assert_eq!(other.current().await, Ok(None));
    assert_eq!(browser.current().await, Ok(Some(fixtures::session())));
}

#[tokio::test]
async fn refresh_lock_has_one_owner_until_released_or_expired() {
    let shared = Arc::new(Shared::new().await);
    let browser = Browser::at(shared.in_database(), KEY).await;
    browser.start(&fixtures::session()).await.unwrap();
    let one: Arc<dyn SessionBackend> = tables(&shared.database);
    let other: Arc<dyn SessionBackend> = tables(&shared.database);
    let (key, _) = one.find(&Index::of_subject(&fixtures::subject())).await.unwrap().remove(0);
    let now = shared.clock.now();
    let until = now + TimeDelta::seconds(30);
    assert_eq!(one.is_refresh_locked(&key, now).await, Ok(false));
    assert_eq!(one.lock_refresh(&key, now, until).await, Ok(true));
    assert_eq!(other.lock_refresh(&key, now, until).await, Ok(false));
    assert_eq!(other.is_refresh_locked(&key, now).await, Ok(true));
    assert_eq!(other.is_refresh_locked(&key, until).await, Ok(false));
    assert_eq!(other.lock_refresh(&key, until, until + TimeDelta::seconds(30)).await, Ok(true));
    one.unlock_refresh(&key).await.unwrap();
    assert_eq!(one.lock_refresh(&key, now, until).await, Ok(true));
    one.delete(&key).await.unwrap();
    assert_eq!(other.lock_refresh(&key, until, until).await, Ok(false), "it is deleted");
}

/// A user who ends all other sessions again and again leaves two rows.
#[tokio::test]
async fn revocations_of_one_user_do_not_accumulate() {
    let shared = Arc::new(Shared::new().await);
    let table: Arc<dyn RevocationTable> = tables(&shared.database);
    for second in 0..50 {
        let revoked_at = shared.clock.now() + TimeDelta::seconds(second);
        let except = Some([u8::try_from(second % 5).unwrap(); 16]);
        let expires_at = revoked_at + TimeDelta::days(7);
        let entry = Entry { key: [1; 32], except, earlier_only: true, revoked_at, expires_at };
        table.add_revocation(&entry).await.unwrap();
        // The acknowledgement was lost: it is written again.
        table.add_revocation(&entry).await.unwrap();
    }
    let stored = table.revocations_after(&(DateTime::UNIX_EPOCH, [0; 32])).await.unwrap();
    assert_eq!(
        stored.iter().map(|entry| entry.except).collect::<Vec<_>>(),
        [Some([3; 16]), Some([4; 16])]
    );
}

/// A revocation is stored only for a provider session from which a session here was started.
#[tokio::test]
async fn revocation_of_unknown_provider_session_stores_nothing() {
    let shared = Arc::new(Shared::new().await);
    let (clock, randomness) = (shared.clock.clone(), Arc::new(SystemRandomness));
    let sessions = CookieSessions::new(settings(false, KEY), &shared.database, clock, randomness);
    let browser = Browser::at(shared.in_cookies(settings(false, KEY)), KEY).await;
    browser.start(&fixtures::session()).await.unwrap();
    let table: Arc<dyn RevocationTable> = tables(&shared.database);
    for (sid, rows) in [("unknown", 0), ("provider-session", 1), ("provider-session", 1)] {
        let (issuer, sid) = (fixtures::ISSUER.to_owned(), sid.to_owned());
        let revocation = Revocation::ProviderSession { issuer, sid, subject: None };
        sessions.revoke(&revocation).await.unwrap();
        let stored = table.revocations_after(&(DateTime::UNIX_EPOCH, [0; 32])).await.unwrap();
        assert_eq!(stored.len(), rows);
    }
}
