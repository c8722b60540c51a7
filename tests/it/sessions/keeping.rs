//! What is particular to sessions that the site keeps.

use chrono::{DateTime, TimeDelta};
use portico_adapters::testing::Browser;
use portico_contracts::fixtures;
use portico_domain::{
    model::{AccessToken, Change, IdToken, RefreshToken, RefreshedTokens, Session, Tokens},
    ports::{Clock, SessionStore, Turn},
};
use rocket::futures::future::join_all;

use super::{KEY, Kind, Shared};

async fn of_many_changes_at_once_none_undoes_another(kind: Kind) {
    let shared = Shared::new(kind).await;
    let one = Browser::at(shared.store(KEY, &[]), KEY).await;
    one.start(&fixtures::session()).await.unwrap();
    shared.clock.advance(TimeDelta::seconds(20));
    let mut browsers = Vec::new();
    for _ in 0..4 {
        let browser = Browser::at(shared.store(KEY, &[]), KEY).await;
        browser.take_cookies_of(&one);
        browsers.push(browser);
    }
    let visits = (1..=20).map(|second| {
        let change = Change::Seen(DateTime::UNIX_EPOCH + TimeDelta::seconds(second));
        let browser = &browsers[usize::try_from(second).unwrap() % browsers.len()];
        async move { browser.update(&change).await }
    });
    let tokens = Tokens { access_token: AccessToken::new("newer"), ..fixtures::session().tokens };
    let newer = Change::RefreshedTokens(RefreshedTokens { tokens, permissions: None });
    let (visits, refresh) = tokio::join!(join_all(visits), one.update(&newer));
    assert!(refresh.unwrap().is_some());
    assert!(visits.into_iter().all(|visit| visit.unwrap().is_some()));
    let session = browsers[0].current().await.unwrap().unwrap();
    assert_eq!(session.tokens.access_token, AccessToken::new("newer"));
    assert_eq!(session.seen_at, shared.clock.now());
}

async fn a_turn_reaches_across_instances_and_ends_by_itself(kind: Kind) {
    let shared = Shared::new(kind).await;
    let one = Browser::at(shared.store(KEY, &[]), KEY).await;
    let other = Browser::at(shared.store(KEY, &[]), KEY).await;
    one.start(&fixtures::session()).await.unwrap();
    other.take_cookies_of(&one);
    let yours = Ok(Turn::Yours(fixtures::session()));
    assert_eq!(one.take_turn().await, yours);
    shared.clock.advance(TimeDelta::seconds(30));
    assert_eq!(other.take_turn().await, yours);
    let again = async {
        other.end_turn().await.unwrap();
    };
    // Whoever waits does not take it up; whoever comes afterwards does.
    let (waited, ()) = tokio::join!(one.take_turn(), again);
    if waited == Ok(Turn::Over(Some(fixtures::session()))) {
        assert_eq!(one.take_turn().await, yours);
    } else {
        assert_eq!(waited, yours);
    }
}

async fn nothing_that_is_kept_opens_anything_or_names_anybody(kind: Kind) {
    let tokens = Tokens {
        id_token: IdToken::new("secret-id-token"),
        access_token: AccessToken::new("secret-access-token"),
        access_token_expires_at: None,
        refresh_token: Some(RefreshToken::new("secret-refresh-token")),
    };
    let session = Session { subject: "secret-subject".into(), tokens, ..fixtures::session() };
    let shared = Shared::new(kind).await;
    let browser = Browser::at(shared.store(KEY, &[]), KEY).await;
    browser.start(&session).await.unwrap();
    browser.take_turn().await.unwrap();
    let kept = match (&shared.redis, &shared.schema) {
        (Some(redis), _) => redis.dump(),
        (_, Some(schema)) => dump(&schema.url()).await,
        _ => panic!("{kind:?} has no dump"),
    };
    // It is there.
    assert!(kept.len() > 400);
    let shown = String::from_utf8_lossy(&kept);
    let words = ["secret", "jo@example.com", "Jo Example", "Firefox", fixtures::ISSUER];
    assert!(words.iter().all(|word| !shown.contains(word)));
    assert!(browser.names().iter().all(|name| !shown.contains(&browser.value(name))));
}

/// The bytes of the sessions' table.
async fn dump(url: &str) -> Vec<u8> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let every = "select key, person, provider_session, sealed from sessions";
    let rows = client.query(every, &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
    let bytes = (0..4).flat_map(|column| rows[0].get::<_, Vec<u8>>(column)).collect();
    drop(client);
    connection.await.unwrap().unwrap();
    bytes
}

macro_rules! clauses {
    ($kind:expr, #[$attribute:meta], $($clause:ident)+) => {$(
        #[tokio::test]
        #[$attribute]
        async fn $clause() {
            super::$clause($kind).await;
        }
    )+};
}

mod postgres {
    use super::Kind;
    clauses! {
        Kind::Postgres,
        #[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")],
        of_many_changes_at_once_none_undoes_another
        a_turn_reaches_across_instances_and_ends_by_itself
        nothing_that_is_kept_opens_anything_or_names_anybody
    }
}

mod redis {
    use super::Kind;
    clauses! {
        Kind::Redis,
        #[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")],
        of_many_changes_at_once_none_undoes_another
        a_turn_reaches_across_instances_and_ends_by_itself
        nothing_that_is_kept_opens_anything_or_names_anybody
    }
}
