mod connection;

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use diesel::{
    Connection, ConnectionError, ConnectionResult, RunQueryDsl,
    connection::CacheSize,
    dsl::sql,
    migration::{Migration, MigrationSource},
    pg::Pg,
    sql_types::{Bool, Text},
};
use diesel_async::{
    AsyncConnection, AsyncPgConnection, SimpleAsyncConnection,
    async_connection_wrapper::AsyncConnectionWrapper,
    pooled_connection::{
        AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
        deadpool::{Hook, HookError, Pool},
    },
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use rustls::ClientConfig;
use tokio::time::timeout;
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};
use tokio_postgres_rustls::MakeRustlsConnect;

pub(crate) use self::connection::PostgresConnection;
use super::{APPLIED, DatabaseUnavailable, connection, is_current, unavailable, with_timeout};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations/postgres");

/// Connections are opened when they are needed.
const MAX_CONNECTIONS: usize = 10;

/// Time for one host to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Time for a pooled connection to show that it is alive. A firewall that forgot it drops its packets
/// without a reset.
const LIVENESS_TIMEOUT: Duration = Duration::from_secs(1);

/// Silence after which the system probes a connection, and time that sent data may stay
/// unacknowledged.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Time for others to finish migrating.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(60);

/// Only one process migrates at a time: the lock is held until the transaction ends, so that it never
/// stays behind on a pooler's connection. The number is arbitrary, but must never change.
const MIGRATION_LOCK: &str = "set local statement_timeout = '60s'; \
     select pg_advisory_xact_lock(5710412864)";

const HAS_MIGRATIONS: &str = "to_regclass('__diesel_schema_migrations') is not null";

/// Writes a row that has always expired.
const WRITE: &str = "insert into used_values (hash, expires_at) \
     values (decode(repeat('00', 32), 'hex'), 0) \
     on conflict (hash) do update set expires_at = 1 - used_values.expires_at";

#[derive(Clone)]
pub(super) struct Postgres {
    server: Arc<Server>,
    pool: Pool<PostgresConnection>,
}

impl Postgres {
    pub(super) fn open(url: &str, tls: ClientConfig) -> Result<Self, DatabaseUnavailable> {
        let server = Arc::new(Server::new(url, tls)?);
        let mut config = ManagerConfig::default();
        let for_pool = server.clone();
        config.custom_setup = Box::new(move |_| {
            let server = for_pool.clone();
            Box::pin(async move { server.connect().await.map(PostgresConnection::new) })
        });
        let silence = Arc::new(LastSilence::default());
        let noticed = silence.clone();
        config.recycling_method = RecyclingMethod::CustomFunction(Box::new(move |connection| {
            let silence = noticed.clone();
            Box::pin(async move {
                let check = timeout(LIVENESS_TIMEOUT, connection.batch_execute("select 1"));
                check.await.unwrap_or_else(|_| Err(silence.note()))
            })
        }));
        let manager = AsyncDieselConnectionManager::new_with_config("", config);
        let pool = Pool::builder(manager)
            .max_size(MAX_CONNECTIONS)
            .pre_recycle(Hook::sync_fn(move |_, metrics| {
                if silence.is_after(metrics.recycled.unwrap_or(metrics.created)) {
                    return Err(HookError::message("idle since before a connection fell silent"));
                }
                Ok(())
            }))
            .build()
            .map_err(unavailable)?;
        Ok(Self { server, pool })
    }

    pub(super) fn pool(&self) -> Pool<PostgresConnection> {
        self.pool.clone()
    }

    pub(super) async fn check_write(&self) -> Result<(), DatabaseUnavailable> {
        let mut connection = connection(self.pool.get()).await?;
        with_timeout(diesel_async::RunQueryDsl::execute(diesel::sql_query(WRITE), &mut connection))
            .await?;
        Ok(())
    }

    pub(super) async fn check_version(&self) -> Result<(), DatabaseUnavailable> {
        let mut connection = connection(self.pool.get()).await?;
        let exists = diesel::select(sql::<Bool>(HAS_MIGRATIONS));
        if with_timeout(diesel_async::RunQueryDsl::get_result(exists, &mut connection)).await? {
            let applied = sql::<Text>(APPLIED);
            let applied: Vec<String> =
                with_timeout(diesel_async::RunQueryDsl::load(applied, &mut connection)).await?;
            is_current(&applied, &embedded().map_err(unavailable)?).map_err(DatabaseUnavailable)?;
        }
        Ok(())
    }

    /// In one transaction, which a pooler sends over one connection.
    pub(super) async fn migrate(&self) -> Result<(), DatabaseUnavailable> {
        let mut connection = timeout(CONNECT_TIMEOUT, self.server.connect())
            .await
            .map_err(|_| DatabaseUnavailable("the database does not answer in time".into()))?
            .map_err(unavailable)?;
        connection.set_prepared_statement_cache_size(CacheSize::Disabled);
        // Diesel's migrations block while they run.
        let work = tokio::task::spawn_blocking(move || {
            let mut connection = AsyncConnectionWrapper::<_>::from(connection);
            Connection::transaction(&mut connection, |connection| {
                diesel::connection::SimpleConnection::batch_execute(connection, MIGRATION_LOCK)?;
                migrate(connection).map_err(diesel::result::Error::QueryBuilderError)
            })
        });
        timeout(MIGRATION_TIMEOUT, work)
            .await
            .map_err(|_| DatabaseUnavailable("the migrations did not end in time".into()))?
            .map_err(unavailable)?
            .map_err(unavailable)
    }
}

type Blocking = AsyncConnectionWrapper<AsyncPgConnection>;

/// Diesel creates its table of migrations even if it exists, which a role without CREATE must not. So
/// Diesel is only called where a migration is missing.
fn migrate(connection: &mut Blocking) -> diesel::migration::Result<()> {
    if diesel::select(sql::<Bool>(HAS_MIGRATIONS)).get_result(connection)? {
        let applied: Vec<String> = sql::<Text>(APPLIED).load(connection)?;
        if is_current(&applied, &embedded()?)? {
            return Ok(());
        }
    }
    connection.run_pending_migrations(MIGRATIONS)?;
    Ok(())
}

fn embedded() -> diesel::migration::Result<Vec<Box<dyn Migration<Pg>>>> {
    MIGRATIONS.migrations()
}

/// When a connection was last found silent. Those that were idle then are dropped without a check of
/// their own: whatever silenced one has probably silenced them all, and the checks would add up.
#[derive(Default)]
struct LastSilence(Mutex<Option<Instant>>);

impl LastSilence {
    fn note(&self) -> diesel::result::Error {
        log::warn!("postgresql: a pooled connection is silent, dropping those that are idle");
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        diesel::result::Error::BrokenTransactionManager
    }

    fn is_after(&self, time: Instant) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|last| last > time)
    }
}

/// Address and TLS settings of the server.
struct Server {
    config: Config,
    tls: MakeRustlsConnect,
}

impl Server {
    fn new(url: &str, tls: ClientConfig) -> Result<Self, DatabaseUnavailable> {
        // The parser's error may quote a part of the address, and with it the password.
        let malformed = |_| {
            let why = "the PostgreSQL address is malformed or holds an unknown parameter";
            DatabaseUnavailable(why.into())
        };
        let mut config: Config = with_known_sslmode(url).parse().map_err(malformed)?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        // The default of two hours is no protection; an address that says otherwise is obeyed.
        if config.get_keepalives_idle() == Config::new().get_keepalives_idle() {
            config.keepalives_idle(KEEP_ALIVE);
        }
        if config.get_keepalives_interval().is_none() {
            config.keepalives_interval(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(KEEP_ALIVE);
        }
        Ok(Self { config, tls: MakeRustlsConnect::new(tls) })
    }

    async fn connect(&self) -> ConnectionResult<AsyncPgConnection> {
        let bad = |error: tokio_postgres::Error| {
            // The text names only the kind; the cause is the source.
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            ConnectionError::BadConnection(format!("{error}{}", cause.unwrap_or_default()))
        };
        let (client, mut connection) = self.config.connect(self.tls.clone()).await.map_err(bad)?;
        // Diesel prepares the statements that set the connection up. In one transaction a pooler
        // sends them to one server process.
        tokio::select! {
            begin = client.batch_execute("begin") => begin.map_err(bad)?,
            ended = &mut connection => {
                ended.map_err(bad)?;
                return Err(ConnectionError::BadConnection("the connection was closed".into()));
            }
        }
        let mut connection =
            AsyncPgConnection::try_from_client_and_connection(client, connection).await?;
        connection
            .batch_execute("commit")
            .await
            .map_err(ConnectionError::CouldntSetupConfiguration)?;
        Ok(connection)
    }
}

pub(super) fn is_plaintext(url: &str) -> bool {
    let Ok(config) = with_known_sslmode(url).parse::<Config>() else { return false };
    let is_local = |name: &str| {
        name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    };
    let addresses = config.get_hostaddrs();
    let is_remote = if addresses.is_empty() {
        // A socket in the file system is no name.
        config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(name) if !is_local(name)))
    } else {
        addresses.iter().any(|address| !address.is_loopback())
    };
    is_remote && config.get_ssl_mode() != SslMode::Require
}

/// `tokio-postgres` does not know the values `verify-ca` and `verify-full` of libpq. They mean the
/// same as `require` here, because certificates are always verified.
fn with_known_sslmode(url: &str) -> String {
    let Some((address, parameters)) = url.split_once('?') else {
        return url.into();
    };
    let parse = |parameter| match parameter {
        "sslmode=verify-ca" | "sslmode=verify-full" => "sslmode=require",
        other => other,
    };
    let parameters: Vec<_> = parameters.split('&').map(parse).collect();
    format!("{address}?{}", parameters.join("&"))
}
