//! The session stores, each with its real server and several instances of the site.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod dead_connections;
mod encrypted_redis;
mod keys;
mod pgbouncer;
mod read_only;
mod redis;
mod replicated_redis;
mod server_side;
mod several_hosts;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use portico_adapters::{
    database::Database,
    sessions::{CookieLoginAttempts, CookieSessions, CookieSettings, ServerSideSessions},
    system::SystemRandomness,
    testing::{Browser, Stores},
    tls,
};
use portico_contracts::{
    Server,
    fakes::ManualClock,
    fixtures, session_store_contract,
    sessions::{self, Cookies, Instance, LIFETIMES, Site, reports_outage_without_ending_sessions},
};
use portico_domain::ports::{ReplayGuard, SessionRegistry, SessionStore, SessionsUnavailable};
use portico_tests::{
    postgres::{Postgres, Schema},
    redis::Redis,
    site::SECRET_KEY as KEY,
};
use tempfile::TempDir;
use tokio::time::timeout;

const ANOTHER_KEY: &str = "YW5vdGhlciBrZXkgb2YgdGhlIHRlc3RzLCBzYW1lLi4=";

/// The session store, and its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    CookiesWithSqlite,
    /// With SQLite, as over https.
    SecureCookies,
    CookiesWithPostgres,
    Sqlite,
    Postgres,
    Redis,
}

/// The stores of one process.
#[derive(Clone)]
struct Process {
    stores: Stores,
    registry: Arc<dyn SessionRegistry>,
    replay_guard: Arc<dyn ReplayGuard>,
    key: String,
}

/// What all instances of a site share.
struct Shared {
    kind: Kind,
    url: String,
    clock: Arc<ManualClock>,
    /// `None` except with [`Kind::Redis`], unless a test has taken it.
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

    /// One more process, with connections of its own.
    fn process(&self, key: &str, previous: &[&str]) -> Process {
        let settings = CookieSettings {
            public_url: "http://127.0.0.1:4040".into(),
            secure: self.kind == Kind::SecureCookies,
            form_post: false,
            lifetimes: LIFETIMES,
            key: key.parse().unwrap(),
            previous_keys: previous.iter().map(|key| key.parse().unwrap()).collect(),
        };
        let (database, randomness) = (open(&self.url), Arc::new(SystemRandomness));
        let clock = self.clock.clone();
        let server_side = match self.kind {
            Kind::CookiesWithSqlite | Kind::SecureCookies | Kind::CookiesWithPostgres => {
                let store =
                    CookieSessions::new(settings.clone(), &database, clock.clone(), randomness);
                let store = Arc::new(store);
                let replay_guard = store.replay_guard();
                let attempts = CookieLoginAttempts::new(settings, replay_guard.clone(), clock);
                let stores = Stores { sessions: store.clone(), attempts: Arc::new(attempts) };
                return Process { stores, registry: store, replay_guard, key: key.into() };
            }
            Kind::Sqlite | Kind::Postgres => {
                let clock = clock.clone();
                ServerSideSessions::in_database(settings.clone(), &database, clock, randomness)
            }
            Kind::Redis => {
                let (address, clock) = (self.redis_url.parse().unwrap(), clock.clone());
                ServerSideSessions::in_redis(settings.clone(), &address, None, clock, randomness)
                    .unwrap()
            }
        };
        let store = Arc::new(server_side);
        let replay_guard = store.replay_guard();
        let attempts = CookieLoginAttempts::new(settings, replay_guard.clone(), clock);
        let stores = Stores { sessions: store.clone(), attempts: Arc::new(attempts) };
        Process { stores, registry: store, replay_guard, key: key.into() }
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
        Box::new(self.process(KEY, &[]))
    }

    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Process {
    async fn new_browser(&self) -> Browser {
        Browser::at(self.stores.clone(), &self.key).await
    }
}

#[async_trait]
impl Instance for Process {
    fn registry(&self) -> Arc<dyn SessionRegistry> {
        self.registry.clone()
    }

    fn replay_guard(&self) -> Arc<dyn ReplayGuard> {
        self.replay_guard.clone()
    }

    async fn browser(&self, cookies: Cookies) -> Box<dyn sessions::Browser> {
        let browser = self.new_browser().await;
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

/// A site with a PostgreSQL server of its own.
async fn site_with_server(kind: Kind) -> (Arc<dyn Site>, Postgres) {
    let server = Postgres::start();
    open(&server.url()).migrate().await.unwrap();
    let shared = Shared { url: server.url(), ..Shared::new(kind).await };
    (Arc::new(shared), server)
}

#[tokio::test]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
async fn reports_database_outage_without_ending_sessions() {
    for kind in [Kind::CookiesWithPostgres, Kind::Postgres] {
        let (site, mut server) = site_with_server(kind).await;
        reports_outage_without_ending_sessions(site, &mut server).await;
    }
}

#[tokio::test]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
async fn stored_sessions_survive_database_outage() {
    let mut server = Postgres::start();
    let mut shared = Shared::new(Kind::Sqlite).await;
    shared.url = server.url();
    open(&shared.url).migrate().await.unwrap();
    let process = shared.process(KEY, &[]);
    let browser = process.new_browser().await;
    browser.start(&fixtures::session()).await.unwrap();
    let cookies = browser.copy();

    server.stop().await;
    assert!(matches!(browser.current().await, Err(SessionsUnavailable(_))));
    assert!(matches!(process.registry.check().await, Err(SessionsUnavailable(_))));
    assert!(browser.end().await.is_err(), "the session has not ended");
    assert_eq!(browser.copy(), cookies);

    server.start_again().await;
    assert_eq!(process.registry.check().await, Ok(()));
    assert_eq!(browser.current().await, Ok(Some(fixtures::session())));
    browser.end().await.unwrap();
    assert_eq!(browser.current().await, Ok(None));
}

#[tokio::test]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
async fn cookie_sessions_survive_short_database_outage() {
    let mut server = Postgres::start();
    let mut shared = Shared::new(Kind::CookiesWithSqlite).await;
    shared.url = server.url();
    open(&shared.url).migrate().await.unwrap();
    let browser = shared.process(KEY, &[]).new_browser().await;
    browser.start(&fixtures::session()).await.unwrap();
    assert!(browser.current().await.unwrap().is_some());

    server.stop().await;
    assert_eq!(browser.current().await, Ok(Some(fixtures::session())));
    // An instance that has never read the list of ended sessions accepts none.
    let restarted = shared.process(KEY, &[]).new_browser().await;
    restarted.take_cookies_of(&browser);
    assert!(matches!(restarted.current().await, Err(SessionsUnavailable(_))));
    assert_eq!(restarted.copy(), browser.copy());

    // A log-out takes effect at this instance.
    let stolen = browser.copy();
    browser.end().await.unwrap();
    browser.put_back(stolen.clone());
    assert_eq!(browser.current().await, Ok(None));

    // The other instances learn of it when the database is back.
    server.start_again().await;
    let ended = async {
        while restarted.current().await != Ok(None) {
            restarted.put_back(stolen.clone());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(10), ended).await.expect("the session has ended everywhere");
}
