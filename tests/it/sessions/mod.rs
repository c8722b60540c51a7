//! The session stores, each with its real server, and several instances of the site over it.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod every_store;
mod keeping;
mod redis;

use std::{sync::Arc, time::Duration};

use portico_adapters::{
    database::Database,
    sessions::{CookieSettings, PrivateCookies, ServerSide, Sessions},
    system::SystemRandomness,
    testing::Browser,
    tls,
};
use portico_domain::{
    ports::{SessionRegistry, SessionStore, SessionsUnavailable},
    session_store_contract,
    testing::{self, SetClock, contract::sessions::LIFETIMES},
};
use portico_tests::{
    postgres::{Postgres, Schema},
    redis::Redis,
    site::SECRET_KEY as KEY,
};
use tempfile::TempDir;
use tokio::time::timeout;

/// Of 256 bits, as the other.
const ANOTHER_KEY: &str = "YW5vdGhlciBrZXkgb2YgdGhlIHRlc3RzLCBzYW1lLi4=";

/// Who keeps the sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    CookiesWithSqlite,
    CookiesWithPostgres,
    Sqlite,
    Postgres,
    Redis,
}

/// What both kinds of stores are.
trait Store: Sessions + SessionRegistry {}

impl<T: Sessions + SessionRegistry> Store for T {}

/// What all instances of a site share.
struct Shared {
    kind: Kind,
    url: String,
    clock: Arc<SetClock>,
    /// Absent but with [`Kind::Redis`].
    redis: Option<Redis>,
    _folder: TempDir,
    schema: Option<Schema>,
}

impl Shared {
    async fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let schema = match kind {
            Kind::CookiesWithPostgres | Kind::Postgres => Some(Schema::fresh()),
            Kind::CookiesWithSqlite | Kind::Sqlite | Kind::Redis => None,
        };
        let redis = (kind == Kind::Redis).then(Redis::start);
        let file = || format!("sqlite://{}", folder.path().join("portico.db").display());
        let url = schema.as_ref().map_or_else(file, Schema::url);
        open(&url).migrate().await.unwrap();
        Self { kind, url, clock: Arc::default(), redis, _folder: folder, schema }
    }

    /// As another process would be: with connections of its own.
    fn instance(&self, key: &str, previous: &[&str]) -> Arc<dyn Store> {
        let previous_keys = previous.iter().map(|key| key.parse().unwrap()).collect();
        let settings =
            CookieSettings { secure: false, form_post: false, lifetimes: LIFETIMES, previous_keys };
        let (database, chance) = (open(&self.url), Arc::new(SystemRandomness));
        let clock = self.clock.clone();
        match self.kind {
            Kind::CookiesWithSqlite | Kind::CookiesWithPostgres => {
                Arc::new(PrivateCookies::new(settings, &database, clock, chance))
            }
            Kind::Sqlite | Kind::Postgres => {
                let key = key.parse().unwrap();
                Arc::new(ServerSide::in_database(settings, &key, &database, clock, chance))
            }
            Kind::Redis => {
                let (key, url) = (key.parse().unwrap(), self.redis.as_ref().unwrap().url());
                Arc::new(ServerSide::in_redis(settings, &key, &url, None, clock, chance).unwrap())
            }
        }
    }
}

fn open(url: &str) -> Database {
    Database::open(url, tls::client_config(None).unwrap()).unwrap()
}

async fn store(kind: Kind) -> (Arc<dyn SessionStore>, Arc<SetClock>) {
    let shared = Shared::new(kind).await;
    let (store, clock) = (shared.instance(KEY, &[]), shared.clock.clone());
    let browser = Browser::at(store, KEY).await;
    browser.keep(shared);
    (Arc::new(browser), clock)
}

/// One test of each clause, for one kind of store.
macro_rules! every_store {
    ($kind:expr $(, #[$attribute:meta])?) => {
        every_store! {
            @clauses [$(#[$attribute])?] $kind;
            what_one_instance_starts_another_knows_and_either_ends_it
            revocations_outlast_a_restart
            who_signs_in_after_a_revocation_stays
            only_the_sessions_that_are_meant_end
            a_visit_and_a_refresh_at_once_undo_nothing
            who_waits_for_the_turn_gets_what_the_one_before_left
            of_two_takers_one_gets_the_attempt
            a_value_is_good_once_until_it_is_forgotten
            a_changed_key_opens_what_the_earlier_one_sealed_and_seals_it_anew
            the_providers_session_ends_what_came_of_it_everywhere
            a_change_under_way_brings_no_ended_session_back
            hostile_values_come_back_to_the_byte
        }
    };
    (@clauses $attributes:tt $kind:expr; $($clause:ident)+) => {
        $(every_store!(@one $attributes $kind; $clause);)+
    };
    (@one [$(#[$attribute:meta])?] $kind:expr; $clause:ident) => {
        #[tokio::test]
        $(#[$attribute])?
        async fn $clause() {
            super::every_store::$clause($kind).await;
        }
    };
}

mod cookies_with_sqlite {
    use super::*;
    every_store!(Kind::CookiesWithSqlite);
}

mod cookies_with_postgres {
    use super::*;
    every_store!(
        Kind::CookiesWithPostgres,
        #[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
    );
}

mod sqlite {
    use super::*;
    session_store_contract!(store(Kind::Sqlite));
    every_store!(Kind::Sqlite);
}

mod postgres {
    use super::*;
    session_store_contract!(
        store(Kind::Postgres),
        #[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
    );
    every_store!(
        Kind::Postgres,
        #[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
    );
}

mod in_redis {
    use super::*;
    session_store_contract!(
        store(Kind::Redis),
        #[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
    );
    every_store!(
        Kind::Redis,
        #[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
    );
}

#[tokio::test]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
async fn a_server_that_stops_is_said_so_and_nobody_is_taken_for_a_stranger() {
    let mut server = Postgres::start();
    let mut shared = Shared::new(Kind::Sqlite).await;
    shared.url = server.url();
    open(&shared.url).migrate().await.unwrap();
    let store = shared.instance(KEY, &[]);
    let browser = Browser::at(store.clone(), KEY).await;
    browser.start(&testing::session()).await.unwrap();
    let cookies = browser.copy();

    server.stop();
    assert!(matches!(browser.current().await, Err(SessionsUnavailable(_))));
    assert!(matches!(store.check().await, Err(SessionsUnavailable(_))));
    assert!(browser.end().await.is_err(), "nobody is told that a session ended which did not");
    assert_eq!(browser.copy(), cookies);

    server.start_again();
    assert_eq!(store.check().await, Ok(()));
    assert_eq!(browser.current().await, Ok(Some(testing::session())));
    browser.end().await.unwrap();
    assert_eq!(browser.current().await, Ok(None));
}

#[tokio::test]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
async fn sessions_in_cookies_outlast_their_database_and_start_nowhere_without_its_list() {
    let mut server = Postgres::start();
    let mut shared = Shared::new(Kind::CookiesWithSqlite).await;
    shared.url = server.url();
    open(&shared.url).migrate().await.unwrap();
    let browser = Browser::at(shared.instance(KEY, &[]), KEY).await;
    browser.start(&testing::session()).await.unwrap();
    assert!(browser.current().await.unwrap().is_some());

    server.stop();
    assert_eq!(browser.current().await, Ok(Some(testing::session())));
    // An instance that never read who was put out lets nobody in.
    let restarted = Browser::at(shared.instance(KEY, &[]), KEY).await;
    restarted.take_cookies_of(&browser);
    assert!(matches!(restarted.current().await, Err(SessionsUnavailable(_))));
    assert_eq!(restarted.copy(), browser.copy());

    // Whoever logs out is out, as far as this instance reaches.
    let stolen = browser.copy();
    browser.end().await.unwrap();
    browser.put_back(stolen.clone());
    assert_eq!(browser.current().await, Ok(None));

    // The others learn of it when the database is back.
    server.start_again();
    let told = async {
        while restarted.current().await != Ok(None) {
            restarted.put_back(stolen.clone());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(10), told).await.expect("the session has ended everywhere");
}
