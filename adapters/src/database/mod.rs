//! Connections to the database: SQLite or PostgreSQL, through Diesel. Its content is defined
//! by `users` and `sessions`.

mod examination;
mod postgres;
mod sqlite;

use std::{fmt, future::Future, time::Duration};

use diesel::{backend::Backend, migration::Migration, result::Error as DieselError};
use diesel_async::pooled_connection::deadpool::Pool;
use portico_domain::ports::{SessionsUnavailable, UsersUnavailable};
use rustls::ClientConfig;
use tokio::time::timeout;

use self::{postgres::Postgres, sqlite::Sqlite};
pub(crate) use self::{postgres::PostgresConnection, sqlite::SqliteConnection};

/// Time to get a working connection: waiting for one, opening it and testing it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Time for one statement.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// The database is out of reach or refuses a statement, and why. The text never contains an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DatabaseUnavailable(pub String);

impl From<DatabaseUnavailable> for UsersUnavailable {
    fn from(cause: DatabaseUnavailable) -> Self {
        Self(cause.0)
    }
}

impl From<DatabaseUnavailable> for SessionsUnavailable {
    fn from(cause: DatabaseUnavailable) -> Self {
        Self(cause.0)
    }
}

/// Numbers of connections in a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUse {
    /// Open, idle or in use.
    pub open: usize,
    /// Open and not in use.
    pub idle: usize,
    /// Tasks that wait for a connection.
    pub waiting: usize,
    /// Connections that may be open at once.
    pub maximum: usize,
}

/// A database. Clones share its connections.
#[derive(Clone)]
pub struct Database(Kind);

#[derive(Clone)]
enum Kind {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Database {
    /// Takes `sqlite://path` (relative unless the path starts with a slash, so three in all),
    /// `sqlite://:memory:`, or `postgres://…`, also spelled `postgresql://…`.
    ///
    /// A missing SQLite file is created, readable by its owner only. Connections to PostgreSQL are
    /// opened when they are needed, to the first of several hosts that accepts a session, or with
    /// `target_session_attrs=read-write` to the one that accepts writes.
    ///
    /// With `sslmode=prefer` (the default), `require`, `verify-ca` and `verify-full` a PostgreSQL
    /// server that offers TLS must present a certificate for its name that `tls` trusts; only
    /// `disable` turns TLS off.
    ///
    /// # Errors
    /// [`DatabaseUnavailable`] when the address is none of these, or the file cannot be created, read
    /// or written, or is not a SQLite database. The text never contains a PostgreSQL address, which
    /// may contain a password.
    pub fn open(url: &str, tls: ClientConfig) -> Result<Self, DatabaseUnavailable> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            Ok(Self(Kind::Sqlite(Sqlite::open(path)?)))
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Ok(Self(Kind::Postgres(Postgres::open(url, tls)?)))
        } else {
            let expected = "the address starts with neither sqlite:// nor postgres://";
            Err(DatabaseUnavailable(expected.into()))
        }
    }

    /// Applies pending migrations. Of several processes that do so at once, one works and the others
    /// wait for it.
    ///
    /// # Errors
    /// [`DatabaseUnavailable`] when the database is out of reach or refuses a migration, or a newer
    /// version of Portico has migrated it.
    pub async fn migrate(&self) -> Result<(), DatabaseUnavailable> {
        match &self.0 {
            Kind::Sqlite(sqlite) => sqlite.migrate().await,
            Kind::Postgres(postgres) => postgres.migrate().await,
        }
    }

    /// Changes nothing. A database that was never migrated passes.
    ///
    /// # Errors
    /// [`DatabaseUnavailable`] when the database is out of reach, or a newer version of Portico has
    /// migrated it.
    pub async fn check_version(&self) -> Result<(), DatabaseUnavailable> {
        match &self.0 {
            Kind::Sqlite(sqlite) => sqlite.check_version().await,
            Kind::Postgres(postgres) => postgres.check_version().await,
        }
    }

    /// Writes one row, always the same. A database that only answers queries (a replica, a full disk,
    /// a file that was overwritten) is of no use to a log-in.
    ///
    /// # Errors
    /// [`DatabaseUnavailable`]; also where a migration is missing.
    pub(crate) async fn check_write(&self) -> Result<(), DatabaseUnavailable> {
        self.check_migrated().await?;
        match &self.0 {
            Kind::Sqlite(sqlite) => sqlite.check_write().await,
            Kind::Postgres(postgres) => postgres.check_write().await,
        }
    }

    /// How the pool of connections is used now.
    pub fn pool_use(&self) -> PoolUse {
        let status = match self.pool() {
            AnyPool::Sqlite(pool) => pool.status(),
            AnyPool::Postgres(pool) => pool.status(),
        };
        let (open, idle) = (status.size, status.available);
        PoolUse { open, idle, waiting: status.waiting, maximum: status.max_size }
    }

    /// The pool of connections, by its kind.
    pub(crate) fn pool(&self) -> AnyPool {
        match &self.0 {
            Kind::Sqlite(sqlite) => AnyPool::Sqlite(sqlite.pool()),
            Kind::Postgres(postgres) => AnyPool::Postgres(postgres.pool()),
        }
    }
}

/// Whether the address leads to another machine and does not require TLS. False where it is malformed,
/// for a SQLite file, and for PostgreSQL with all hosts on loopback or Unix sockets.
#[must_use]
pub fn is_plaintext(url: &str) -> bool {
    postgres::is_plaintext(url)
}

/// A pool of connections, by its kind.
pub(crate) enum AnyPool {
    Sqlite(Pool<SqliteConnection>),
    Postgres(Pool<PostgresConnection>),
}

impl fmt::Debug for Database {
    /// The kind only: an address may contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::Sqlite(_) => "Database(SQLite)",
            Kind::Postgres(_) => "Database(PostgreSQL)",
        })
    }
}

/// Waits for a connection of the pool.
pub(crate) async fn connection<C, E: fmt::Display>(
    connection: impl Future<Output = Result<C, E>>,
) -> Result<C, DatabaseUnavailable> {
    timeout(CONNECT_TIMEOUT, connection)
        .await
        .map_err(|_| DatabaseUnavailable("no connection in time".into()))?
        .map_err(unavailable)
}

/// Waits for the result of a statement.
pub(crate) async fn with_timeout<T>(
    statement: impl Future<Output = Result<T, DieselError>>,
) -> Result<T, DatabaseUnavailable> {
    timeout(STATEMENT_TIMEOUT, statement)
        .await
        .map_err(|_| DatabaseUnavailable("the database did not answer in time".into()))?
        .map_err(unavailable)
}

/// The versions of the migrations that were applied to a database.
const APPLIED: &str = "select version from __diesel_schema_migrations";

/// Whether all migrations that this program has were applied.
///
/// # Errors
/// The text for the operator when others were applied as well: tables may then have another meaning.
fn is_current<DB: Backend>(
    applied: &[String],
    embedded: &[Box<dyn Migration<DB>>],
) -> Result<bool, String> {
    let own: Vec<_> = embedded.iter().map(|it| it.name().version().to_string()).collect();
    match applied.iter().find(|version| !own.contains(version)) {
        Some(unknown) => Err(format!(
            "a newer version of Portico has migrated it (migration {unknown} is unknown to this one); \
             start that version, or set DATABASE_URL to another database"
        )),
        None => Ok(own.iter().all(|version| applied.contains(version))),
    }
}

fn unavailable(cause: impl fmt::Display) -> DatabaseUnavailable {
    DatabaseUnavailable(cause.to_string())
}
