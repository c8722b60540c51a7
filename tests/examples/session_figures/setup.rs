//! The stores, and rows that fill them.

use std::{fmt, path::PathBuf, sync::Arc};

use chrono::TimeDelta;
use diesel::{Connection, RunQueryDsl, SqliteConnection, sql_query};
use portico_adapters::{
    database::Database,
    sessions::{
        CookieLoginAttempts, CookieSessions, CookieSettings, ServerSideSessions, SessionStores,
    },
    system::{SystemClock, SystemRandomness},
    testing::{Browser, Stores},
    tls,
    users::diesel_users,
};
use portico_domain::{
    model::Lifetimes,
    ports::{Clock, ReplayGuard, SessionRegistry, UserRepository},
};
use portico_tests::{postgres::Postgres, redis::Redis, site::SECRET_KEY};
use tempfile::TempDir;
use tokio_postgres::NoTls;

/// Rows that a sweep deletes.
const EXPIRED: usize = 10_000;

/// Keys that one script adds to Redis.
const BATCH: usize = 10_000;

/// A session, its entry in the index of its user, and a lifetime.
const FILL_REDIS: &str = "for number = ARGV[1], ARGV[2] do \
     local id = string.format('%s%063d', ARGV[4], number) \
     redis.call('set', 'portico:session:{' .. id .. '}', ARGV[3], 'px', ARGV[5]) \
     redis.call('zadd', 'portico:subject:' .. id, 1, id) \
     redis.call('pexpire', 'portico:subject:' .. id, ARGV[5]) end";

/// The session store, and its database.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    CookiesWithSqlite,
    CookiesWithPostgres,
    Sqlite,
    Postgres,
    Redis,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [
        Self::CookiesWithSqlite,
        Self::CookiesWithPostgres,
        Self::Sqlite,
        Self::Postgres,
        Self::Redis,
    ];

    fn is_cookies(self) -> bool {
        matches!(self, Self::CookiesWithSqlite | Self::CookiesWithPostgres)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CookiesWithSqlite => "cookies, list in SQLite",
            Self::CookiesWithPostgres => "cookies, list in PostgreSQL",
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::Redis => "Redis",
        })
    }
}

enum Sweeper {
    Cookies(Arc<CookieSessions>),
    ServerSide(Arc<ServerSideSessions>),
}

/// The stores of one process.
pub(super) struct Store {
    pub(super) registry: Arc<dyn SessionRegistry>,
    pub(super) users: Arc<dyn UserRepository>,
    sessions: Arc<dyn SessionStores>,
    replay_guard: Arc<dyn ReplayGuard>,
    sweeper: Sweeper,
}

impl Store {
    pub(super) async fn browser(&self) -> Browser {
        let guard = self.replay_guard.clone();
        let attempts = CookieLoginAttempts::new(settings(), guard, Arc::new(SystemClock));
        let stores = Stores { sessions: self.sessions.clone(), attempts: Arc::new(attempts) };
        Browser::at(stores, SECRET_KEY).await
    }

    pub(super) async fn sweep(&self) {
        match &self.sweeper {
            Sweeper::Cookies(store) => store.sweep().await.unwrap(),
            Sweeper::ServerSide(store) => store.sweep().await.unwrap(),
        }
    }
}

/// The database and Redis behind a store.
pub(super) struct Server {
    kind: Kind,
    folder: TempDir,
    postgres: Option<Postgres>,
    redis: Option<Redis>,
    /// Number of rows that were added.
    filled: usize,
}

fn settings() -> CookieSettings {
    CookieSettings {
        public_url: "http://127.0.0.1:4040".into(),
        secure: false,
        form_post: false,
        lifetimes: Lifetimes { rolling: TimeDelta::days(1), absolute: TimeDelta::days(7) },
        key: SECRET_KEY.parse().unwrap(),
        previous_keys: Vec::new(),
    }
}

impl Server {
    pub(super) async fn start(kind: Kind) -> Self {
        let in_postgres = matches!(kind, Kind::CookiesWithPostgres | Kind::Postgres);
        let server = Self {
            kind,
            folder: tempfile::tempdir().unwrap(),
            postgres: in_postgres.then(Postgres::start),
            redis: (kind == Kind::Redis).then(Redis::start),
            filled: 0,
        };
        server.database().migrate().await.unwrap();
        server
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("portico.db")
    }

    fn database(&self) -> Database {
        let file = || format!("sqlite://{}", self.file().display());
        let url = self.postgres.as_ref().map_or_else(file, Postgres::url);
        Database::open(&url, tls::client_config(None).unwrap()).unwrap()
    }

    /// A store with connections of its own.
    pub(super) fn store(&self) -> Store {
        let (clock, randomness) = (Arc::new(SystemClock), Arc::new(SystemRandomness));
        let database = self.database();
        let users = diesel_users(&database);
        if self.kind.is_cookies() {
            let store = Arc::new(CookieSessions::new(settings(), &database, clock, randomness));
            return Store {
                registry: store.clone(),
                users,
                sessions: store.clone(),
                replay_guard: store.replay_guard(),
                sweeper: Sweeper::Cookies(store),
            };
        }
        let store = Arc::new(match &self.redis {
            Some(redis) => {
                let address = redis.url().parse().unwrap();
                ServerSideSessions::in_redis(settings(), &address, None, clock, randomness).unwrap()
            }
            None => ServerSideSessions::in_database(settings(), &database, clock, randomness),
        });
        Store {
            registry: store.clone(),
            users,
            sessions: store.clone(),
            replay_guard: store.replay_guard(),
            sweeper: Sweeper::ServerSide(store),
        }
    }

    /// Adds sessions and users until there are so many. With sessions in cookies: sessions at the
    /// provider, and a revocation for each tenth.
    pub(super) async fn fill(&mut self, count: usize) {
        let missing = count.saturating_sub(self.filled);
        self.add(missing, 'f', SystemClock.now().timestamp() + 600_000).await;
        self.filled += missing;
        let first = self.filled - missing + 1;
        let users = "insert into users (issuer, subject, first_seen, last_login, logins) \
             select 'https://id.example/', 'filler-' || n, 1, n, 1 from numbers";
        self.sql(first, missing, users).await;
        if let Some(postgres) = &self.postgres {
            postgres.run("vacuum analyze");
        }
    }

    /// Adds rows that have expired.
    pub(super) async fn add_expired(&self) {
        self.add(EXPIRED, 'e', 1).await;
    }

    async fn add(&self, count: usize, series: char, expires_at: i64) {
        let (first, now) = (self.filled + 1, SystemClock.now().timestamp_millis() - 600_000);
        let key = match self.postgres {
            Some(_) => format!("sha256(('{series}' || n)::text::bytea)"),
            None => format!("cast(printf('{series}%031d', n) as blob)"),
        };
        let none = if self.postgres.is_some() { "''::bytea" } else { "x''" };
        if let Some(redis) = &self.redis {
            fill_redis(redis, first, count, series, expires_at == 1).await;
        } else if self.kind.is_cookies() {
            let rows = format!(
                "insert into provider_sessions (hash, expires_at) select {key}, {expires_at} \
                 from numbers"
            );
            self.sql(first, count, &rows).await;
            let rows = format!(
                "insert into revocations \
                 (key, except_session, earlier_only, revoked_at, expires_at) \
                 select {key}, {none}, 0, {now}, {expires_at} from numbers where n % 10 = 0"
            );
            self.sql(first, count, &rows).await;
        } else {
            let rows = format!(
                "insert into sessions (key, subject, sealed, expires_at) \
                 select {key}, {key}, one.sealed, {expires_at} \
                 from numbers, (select sealed from sessions limit 1) as one"
            );
            self.sql(first, count, &rows).await;
        }
    }

    /// Runs a statement over the numbers `n` of the table `numbers`.
    async fn sql(&self, first: usize, count: usize, statement: &str) {
        if count == 0 {
            return;
        }
        let last = first + count - 1;
        if let Some(postgres) = &self.postgres {
            let (client, connection) =
                tokio_postgres::connect(&postgres.url(), NoTls).await.unwrap();
            tokio::spawn(connection);
            let (insert, select) = statement.split_at(statement.find("select").unwrap());
            let numbers =
                format!("(select * from generate_series({first}, {last}) as n) as numbers");
            let select = select.replacen("numbers", &numbers, 1);
            client.batch_execute(&format!("{insert}{select}")).await.unwrap();
            return;
        }
        let mut connection = SqliteConnection::establish(&self.file().to_string_lossy()).unwrap();
        let (insert, select) = statement.split_at(statement.find("select").unwrap());
        let numbers = format!(
            "with recursive numbers (n) as \
             (select {first} union all select n + 1 from numbers where n < {last})"
        );
        sql_query("pragma busy_timeout = 10000").execute(&mut connection).unwrap();
        sql_query(format!("{insert}{numbers} {select}")).execute(&mut connection).unwrap();
    }
}

async fn fill_redis(redis: &Redis, first: usize, count: usize, series: char, expired: bool) {
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let lifetime = if expired { 200 } else { 604_800_000_i64 };
    for start in (first..first + count).step_by(BATCH) {
        let end = (start + BATCH).min(first + count) - 1;
        let mut script = redis::cmd("EVAL");
        script.arg(FILL_REDIS).arg(0).arg(start).arg(end).arg("x".repeat(600));
        script.arg(series.to_string()).arg(lifetime);
        let () = script.query_async(&mut connection).await.unwrap();
    }
}
