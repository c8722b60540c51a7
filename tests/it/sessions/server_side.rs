//! Tests of server-side sessions only.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use portico_contracts::fixtures;
use portico_domain::{
    model::{AccessToken, IdToken, RefreshToken, RefreshedTokens, Session, SessionChange},
    ports::{Clock, Renewal, SessionStore, TokenRenewal},
};
use rocket::futures::future::join_all;
use rstest::rstest;
use rstest_reuse::{apply, template};

use super::{KEY, Kind, Shared};

#[template]
#[rstest]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
#[case::postgres(Kind::Postgres)]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
#[case::redis(Kind::Redis)]
fn each_server(#[case] kind: Kind) {}

#[apply(each_server)]
#[tokio::test]
async fn keeps_all_simultaneous_changes(#[case] kind: Kind) {
    let shared = Shared::new(kind).await;
    let one = shared.process(KEY, &[]).new_browser().await;
    one.start(&fixtures::session()).await.unwrap();
    shared.clock.advance(TimeDelta::seconds(20));
    let mut browsers = Vec::new();
    for _ in 0..4 {
        let browser = shared.process(KEY, &[]).new_browser().await;
        browser.take_cookies_of(&one);
        browsers.push(browser);
    }
    let visits = (1..=20).map(|second| {
        let change = SessionChange::Seen(DateTime::UNIX_EPOCH + TimeDelta::seconds(second));
        let browser = &browsers[usize::try_from(second).unwrap() % browsers.len()];
        async move { browser.update(&change).await }
    });
    let mut tokens = fixtures::identity().tokens;
    tokens.access_token = AccessToken::new("newer");
    let newer =
        SessionChange::Refreshed(RefreshedTokens { tokens, claims: None, permissions: None });
    let (visits, refresh) = tokio::join!(join_all(visits), one.update(&newer));
    assert!(refresh.unwrap().is_some());
    assert!(visits.into_iter().all(|visit| visit.unwrap().is_some()));
    let session = browsers[0].current().await.unwrap().unwrap();
    assert_eq!(session.tokens().access_token, AccessToken::new("newer"));
    assert_eq!(session.seen_at, shared.clock.now());
}

/// Simultaneous refreshes at two instances cause one request to the provider.
#[apply(each_server)]
#[tokio::test]
async fn refresh_lock_spans_instances(#[case] kind: Kind) {
    let shared = Shared::new(kind).await;
    let one = shared.process(KEY, &[]).new_browser().await;
    let other = shared.process(KEY, &[]).new_browser().await;
    one.start(&fixtures::session()).await.unwrap();
    other.take_cookies_of(&one);
    let renewal = SlowRenewal::default();
    let stale = fixtures::session();
    let (first, second) =
        tokio::join!(one.refresh(&stale, &renewal), other.refresh(&stale, &renewal));
    for session in [first, second] {
        let session = session.unwrap().unwrap();
        assert_eq!(session.tokens().access_token, AccessToken::new("newer"));
    }
    assert_eq!(renewal.0.load(Ordering::SeqCst), 1);
}

#[derive(Default)]
struct SlowRenewal(AtomicUsize);

#[async_trait]
impl TokenRenewal for SlowRenewal {
    async fn renew(&self, session: &Session) -> Renewal {
        self.0.fetch_add(1, Ordering::SeqCst);
        // Long enough for the other instance to find the lock held.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut tokens = session.tokens().clone();
        tokens.access_token = AccessToken::new("newer");
        Renewal::Refreshed(RefreshedTokens { tokens, claims: None, permissions: None })
    }
}

#[apply(each_server)]
#[tokio::test]
async fn stored_records_reveal_no_secret(#[case] kind: Kind) {
    let mut session = fixtures::session();
    session.identity.subject.subject = "secret-subject".into();
    session.identity.tokens.id_token = Some(IdToken::new("secret-id-token"));
    session.identity.tokens.access_token = AccessToken::new("secret-access-token");
    session.identity.tokens.refresh_token = Some(RefreshToken::new("secret-refresh-token"));
    let shared = Shared::new(kind).await;
    let browser = shared.process(KEY, &[]).new_browser().await;
    browser.start(&session).await.unwrap();
    let dump = match (&shared.redis, &shared.schema) {
        (Some(redis), _) => redis.dump(),
        (_, Some(schema)) => dump(&schema.url()).await,
        _ => panic!("{kind:?} has no dump"),
    };
    assert!(dump.len() > 300, "the record is there");
    let text = String::from_utf8_lossy(&dump);
    let secrets = ["secret", "jo@example.com", "Jo Example", "Firefox", fixtures::ISSUER];
    assert!(secrets.iter().all(|secret| !text.contains(secret)));
    assert!(browser.names().iter().all(|name| !text.contains(&browser.value(name))));
}

/// The content of the sessions table.
async fn dump(url: &str) -> Vec<u8> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let every = "select key, subject, provider_session, sealed from sessions";
    let rows = client.query(every, &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
    let bytes = (0..4).flat_map(|column| rows[0].get::<_, Vec<u8>>(column)).collect();
    drop(client);
    connection.await.unwrap().unwrap();
    bytes
}
