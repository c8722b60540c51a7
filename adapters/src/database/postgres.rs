use std::{sync::Arc, time::Duration};

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::{
    AsyncPgConnection, SimpleAsyncConnection,
    async_connection_wrapper::AsyncConnectionWrapper,
    pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, deadpool::Pool},
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use rustls::ClientConfig;
use tokio::time::timeout;
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{DatabaseUnavailable, unavailable};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations/postgres");

/// Connections are opened when they are needed.
const MAX_CONNECTIONS: usize = 10;

/// Time for one host to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Time for others to finish migrating.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(60);

/// The server gives up as well, so that no statement runs on without a client.
const SETUP: &str = "set statement_timeout = '5s'";

/// Only one process migrates at a time: the lock is held as long as the connection. The number is
/// arbitrary, but must never change.
const MIGRATION_SETUP: &str = "set statement_timeout = '60s'; select pg_advisory_lock(5710412864)";

pub(crate) type PostgresConnection = AsyncPgConnection;

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
            Box::pin(async move { server.connect(SETUP).await })
        });
        let manager = AsyncDieselConnectionManager::new_with_config("", config);
        let pool = Pool::builder(manager).max_size(MAX_CONNECTIONS).build().map_err(unavailable)?;
        Ok(Self { server, pool })
    }

    pub(super) fn pool(&self) -> Pool<PostgresConnection> {
        self.pool.clone()
    }

    pub(super) async fn migrate(&self) -> Result<(), DatabaseUnavailable> {
        let connection = timeout(MIGRATION_TIMEOUT, self.server.connect(MIGRATION_SETUP))
            .await
            .map_err(|_| DatabaseUnavailable("the database does not answer in time".into()))?
            .map_err(unavailable)?;
        // Diesel's migrations block while they run.
        tokio::task::spawn_blocking(move || {
            let mut connection = AsyncConnectionWrapper::<_>::from(connection);
            connection.run_pending_migrations(MIGRATIONS).map(|_| ()).map_err(unavailable)
        })
        .await
        .map_err(unavailable)?
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
        Ok(Self { config, tls: MakeRustlsConnect::new(tls) })
    }

    async fn connect(&self, setup: &str) -> ConnectionResult<PostgresConnection> {
        let bad = |error: tokio_postgres::Error| {
            // The text names only the kind; the cause is the source.
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            ConnectionError::BadConnection(format!("{error}{}", cause.unwrap_or_default()))
        };
        let (client, connection) = self.config.connect(self.tls.clone()).await.map_err(bad)?;
        let mut connection =
            PostgresConnection::try_from_client_and_connection(client, connection).await?;
        connection
            .batch_execute(setup)
            .await
            .map_err(ConnectionError::CouldntSetupConfiguration)?;
        Ok(connection)
    }
}

/// `tokio-postgres` does not know the values `verify-ca` and `verify-full` of libpq. They mean the
/// same as `require` here, because certificates are always verified.
fn with_known_sslmode(url: &str) -> String {
    let Some((address, parameters)) = url.split_once('?') else {
        return url.into();
    };
    let known = |parameter| match parameter {
        "sslmode=verify-ca" | "sslmode=verify-full" => "sslmode=require",
        other => other,
    };
    let parameters: Vec<_> = parameters.split('&').map(known).collect();
    format!("{address}?{}", parameters.join("&"))
}
