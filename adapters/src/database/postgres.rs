mod connection;
mod examination;
mod server;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use diesel::{
    Connection, RunQueryDsl,
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

use self::server::Server;
pub(crate) use self::{connection::PostgresConnection, server::is_plaintext};
use super::{
    APPLIED, CONNECT_TIMEOUT, DatabaseUnavailable, connection, is_current, unavailable,
    with_timeout,
};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations/postgres");

/// Connections are opened when they are needed.
const MAX_CONNECTIONS: usize = 10;

/// Time for a pooled connection to show that it is alive. A firewall that forgot it drops its packets
/// without a reset.
const LIVENESS_TIMEOUT: Duration = Duration::from_secs(1);

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
        let last_fault = Arc::new(LastFault::default());
        let (for_pool, noted) = (server.clone(), last_fault.clone());
        config.custom_setup = Box::new(move |_| {
            let (server, noted) = (for_pool.clone(), noted.clone());
            let connection = async move { server.connect().await };
            Box::pin(async move { Ok(PostgresConnection::new(connection.await?, noted)) })
        });
        let noted = last_fault.clone();
        config.recycling_method = RecyclingMethod::CustomFunction(Box::new(move |connection| {
            let noted = noted.clone();
            Box::pin(async move {
                let check = timeout(LIVENESS_TIMEOUT, connection.batch_execute("select 1"));
                check.await.unwrap_or_else(|_| {
                    log::warn!(
                        "postgresql: a pooled connection is silent, dropping those that are idle"
                    );
                    noted.note();
                    Err(diesel::result::Error::BrokenTransactionManager)
                })
            })
        }));
        let manager = AsyncDieselConnectionManager::new_with_config("", config);
        let pool = Pool::builder(manager)
            .max_size(MAX_CONNECTIONS)
            .pre_recycle(Hook::sync_fn(move |_, metrics| {
                if last_fault.is_after(metrics.recycled.unwrap_or(metrics.created)) {
                    return Err(HookError::message("idle since before the fault of another one"));
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

/// When a connection was last found silent or read-only. Those that were idle then are dropped
/// without a check of their own: what befell one has probably befallen them all, and the checks would
/// add up.
#[derive(Default)]
struct LastFault(Mutex<Option<Instant>>);

impl LastFault {
    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn is_after(&self, time: Instant) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|last| last > time)
    }
}
