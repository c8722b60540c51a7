//! What a change of the site's key means, for each kind of store.

use portico_adapters::testing::Browser;
use portico_contracts::fixtures;
use portico_domain::ports::SessionStore;

use super::{ANOTHER_KEY, KEY, Kind, Shared};

async fn a_changed_key_opens_what_the_earlier_one_sealed_and_seals_it_anew(kind: Kind) {
    let shared = Shared::new(kind).await;
    let one = Browser::at(shared.store(KEY, &[]), KEY).await;
    let attempt = fixtures::attempt("a", "/");
    one.start(&fixtures::session()).await.unwrap();
    let late = one.copy();
    one.remember(&attempt).await.unwrap();

    let changed = |previous| shared.store(ANOTHER_KEY, previous);
    let with_both = Browser::at(changed(&[KEY]), ANOTHER_KEY).await;
    with_both.take_cookies_of(&one);
    assert_eq!(with_both.current().await, Ok(Some(fixtures::session())));
    assert_eq!(with_both.take_attempt(&attempt.state).await, Ok(Some(attempt)));

    // From now on the earlier key is not needed.
    let without = Browser::at(changed(&[]), ANOTHER_KEY).await;
    without.take_cookies_of(&with_both);
    assert_eq!(without.current().await, Ok(Some(fixtures::session())));

    // Whoever did not come in time is a stranger.
    without.put_back(late);
    assert_eq!(without.current().await, Ok(None));
    assert_eq!(without.names(), [""; 0]);
}

#[tokio::test]
async fn sessions_in_cookies() {
    a_changed_key_opens_what_the_earlier_one_sealed_and_seals_it_anew(Kind::SecureCookies).await;
}

#[tokio::test]
async fn sessions_in_sqlite() {
    a_changed_key_opens_what_the_earlier_one_sealed_and_seals_it_anew(Kind::Sqlite).await;
}

#[tokio::test]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
async fn sessions_in_postgres() {
    a_changed_key_opens_what_the_earlier_one_sealed_and_seals_it_anew(Kind::Postgres).await;
}

#[tokio::test]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
async fn sessions_in_redis() {
    a_changed_key_opens_what_the_earlier_one_sealed_and_seals_it_anew(Kind::Redis).await;
}
