//! Rotation of the site's key, for each session store.

use portico_contracts::fixtures;
use portico_domain::ports::{LoginAttempts, SessionStore};

use super::{ANOTHER_KEY, KEY, Kind, Shared};

async fn new_key_reseals_sessions_of_previous_key(kind: Kind) {
    let shared = Shared::new(kind).await;
    let one = shared.process(KEY, &[]).new_browser().await;
    let attempt = fixtures::attempt("a", "/");
    one.start(&fixtures::session()).await.unwrap();
    let late = one.copy();
    one.remember(&attempt).await.unwrap();

    let changed = |previous| shared.process(ANOTHER_KEY, previous);
    let with_both = changed(&[KEY]).new_browser().await;
    with_both.take_cookies_of(&one);
    assert_eq!(with_both.current().await, Ok(Some(fixtures::session())));
    assert_eq!(with_both.take(&attempt.state).await, Ok(Some(attempt)));

    // The previous key is no longer needed for these cookies.
    let without = changed(&[]).new_browser().await;
    without.take_cookies_of(&with_both);
    assert_eq!(without.current().await, Ok(Some(fixtures::session())));

    // A browser that made no request meanwhile is logged out.
    without.put_back(late);
    assert_eq!(without.current().await, Ok(None));
    assert_eq!(without.names(), [""; 0]);
}

#[tokio::test]
async fn new_key_reseals_cookie_sessions() {
    new_key_reseals_sessions_of_previous_key(Kind::SecureCookies).await;
}

#[tokio::test]
async fn new_key_reseals_sqlite_sessions() {
    new_key_reseals_sessions_of_previous_key(Kind::Sqlite).await;
}

#[tokio::test]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
async fn new_key_reseals_postgres_sessions() {
    new_key_reseals_sessions_of_previous_key(Kind::Postgres).await;
}

#[tokio::test]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
async fn new_key_reseals_redis_sessions() {
    new_key_reseals_sessions_of_previous_key(Kind::Redis).await;
}
