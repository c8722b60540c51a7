//! The session stores, each with its real server, and several instances of the site over it.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod keeping;
mod keys;
mod redis;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use portico_adapters::{
    database::Database,
    sessions::{CookieSettings, PrivateCookies, ServerSide, Sessions},
    system::SystemRandomness,
    testing::Browser,
    tls,
};
use portico_contracts::{
    Server,
    fakes::ManualClock,
    fixtures, session_store_contract,
    sessions::{
        Cookies, Instance, LIFETIMES, Site, Visitor, an_outage_is_said_and_makes_nobody_a_stranger,
    },
};
use portico_domain::ports::{SessionRegistry, SessionStore, SessionsUnavailable};
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
    /// As behind https; with SQLite.
    SecureCookies,
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
    clock: Arc<ManualClock>,
    /// Absent but with [`Kind::Redis`], and where a test has it.
    redis: Option<Redis>,
    redis_url: String,
    _folder: TempDir,
    schema: Option<Schema>,
}

impl Shared {
    async fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let schema = match kind {
            Kind::CookiesWithPostgres | Kind::Postgres => Some(Schema::fresh()),
            Kind::CookiesWithSqlite | Kind::SecureCookies | Kind::Sqlite | Kind::Redis => None,
        };
        let redis = (kind == Kind::Redis).then(Redis::start);
        let file = || format!("sqlite://{}", folder.path().join("portico.db").display());
        let url = schema.as_ref().map_or_else(file, Schema::url);
        open(&url).migrate().await.unwrap();
        let redis_url = redis.as_ref().map(Redis::url).unwrap_or_default();
        Self { kind, url, clock: Arc::default(), redis, redis_url, _folder: folder, schema }
    }

    /// As another process would be: with connections of its own.
    fn store(&self, key: &str, previous: &[&str]) -> Arc<dyn Store> {
        let previous_keys = previous.iter().map(|key| key.parse().unwrap()).collect();
        let secure = self.kind == Kind::SecureCookies;
        let settings =
            CookieSettings { secure, form_post: false, lifetimes: LIFETIMES, previous_keys };
        let (database, chance) = (open(&self.url), Arc::new(SystemRandomness));
        let clock = self.clock.clone();
        match self.kind {
            Kind::CookiesWithSqlite | Kind::SecureCookies | Kind::CookiesWithPostgres => {
                Arc::new(PrivateCookies::new(settings, &database, clock, chance))
            }
            Kind::Sqlite | Kind::Postgres => {
                let key = key.parse().unwrap();
                Arc::new(ServerSide::in_database(settings, &key, &database, clock, chance))
            }
            Kind::Redis => {
                let (key, url) = (key.parse().unwrap(), &self.redis_url);
                Arc::new(ServerSide::in_redis(settings, &key, url, None, clock, chance).unwrap())
            }
        }
    }
}

fn open(url: &str) -> Database {
    Database::open(url, tls::client_config(None).unwrap()).unwrap()
}

#[async_trait]
impl Site for Shared {
    fn clock(&self) -> Arc<ManualClock> {
        self.clock.clone()
    }

    fn instance(&self) -> Box<dyn Instance> {
        Box::new(Process(self.store(KEY, &[])))
    }

    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

struct Process(Arc<dyn Store>);

#[async_trait]
impl Instance for Process {
    fn registry(&self) -> Arc<dyn SessionRegistry> {
        self.0.clone()
    }

    async fn visitor(&self, cookies: Cookies) -> Box<dyn Visitor> {
        let browser = Browser::at(self.0.clone(), KEY).await;
        for (name, value) in cookies {
            browser.set(&name, &value);
        }
        Box::new(browser)
    }
}

async fn site(kind: Kind) -> (Arc<dyn Site>, ()) {
    (Arc::new(Shared::new(kind).await), ())
}

mod cookies_with_sqlite {
    use super::*;
    session_store_contract!(site(Kind::CookiesWithSqlite));
}

mod secure_cookies {
    use super::*;
    session_store_contract!(site(Kind::SecureCookies));
}

mod cookies_with_postgres {
    use super::*;
    session_store_contract!(
        site(Kind::CookiesWithPostgres),
        #[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
    );
}

mod sqlite {
    use super::*;
    session_store_contract!(site(Kind::Sqlite));
}

mod postgres {
    use super::*;
    session_store_contract!(
        site(Kind::Postgres),
        #[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
    );
}

mod in_redis {
    use super::*;
    session_store_contract!(
        site(Kind::Redis),
        #[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
    );
}

/// The site on a PostgreSQL server of its own.
async fn on_its_own_server(kind: Kind) -> (Arc<dyn Site>, Postgres) {
    let server = Postgres::start();
    open(&server.url()).migrate().await.unwrap();
    let shared = Shared { url: server.url(), ..Shared::new(kind).await };
    (Arc::new(shared), server)
}

#[tokio::test]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
async fn an_outage_of_the_database_is_said_and_makes_nobody_a_stranger() {
    for kind in [Kind::CookiesWithPostgres, Kind::Postgres] {
        let (site, mut server) = on_its_own_server(kind).await;
        an_outage_is_said_and_makes_nobody_a_stranger(site, &mut server).await;
    }
}

#[tokio::test]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
async fn a_server_that_stops_is_said_so_and_nobody_is_taken_for_a_stranger() {
    let mut server = Postgres::start();
    let mut shared = Shared::new(Kind::Sqlite).await;
    shared.url = server.url();
    open(&shared.url).migrate().await.unwrap();
    let store = shared.store(KEY, &[]);
    let browser = Browser::at(store.clone(), KEY).await;
    browser.start(&fixtures::session()).await.unwrap();
    let cookies = browser.copy();

    server.stop().await;
    assert!(matches!(browser.current().await, Err(SessionsUnavailable(_))));
    assert!(matches!(store.check().await, Err(SessionsUnavailable(_))));
    assert!(browser.end().await.is_err(), "nobody is told that a session ended which did not");
    assert_eq!(browser.copy(), cookies);

    server.start_again().await;
    assert_eq!(store.check().await, Ok(()));
    assert_eq!(browser.current().await, Ok(Some(fixtures::session())));
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
    let browser = Browser::at(shared.store(KEY, &[]), KEY).await;
    browser.start(&fixtures::session()).await.unwrap();
    assert!(browser.current().await.unwrap().is_some());

    server.stop().await;
    assert_eq!(browser.current().await, Ok(Some(fixtures::session())));
    // An instance that never read who was put out lets nobody in.
    let restarted = Browser::at(shared.store(KEY, &[]), KEY).await;
    restarted.take_cookies_of(&browser);
    assert!(matches!(restarted.current().await, Err(SessionsUnavailable(_))));
    assert_eq!(restarted.copy(), browser.copy());

    // Whoever logs out is out, as far as this instance reaches.
    let stolen = browser.copy();
    browser.end().await.unwrap();
    browser.put_back(stolen.clone());
    assert_eq!(browser.current().await, Ok(None));

    // The others learn of it when the database is back.
    server.start_again().await;
    let told = async {
        while restarted.current().await != Ok(None) {
            restarted.put_back(stolen.clone());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(10), told).await.expect("the session has ended everywhere");
}
