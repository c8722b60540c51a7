//! The database: SQLite or PostgreSQL, by Diesel. What is kept in it is the concern of `users` and
//! `sessions`.

mod postgres;
mod sqlite;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use diesel::result::Error as DieselError;
use portico_domain::ports::{SessionsUnavailable, UserRepository, UsersUnavailable};
use rustls::ClientConfig;
use tokio::time::timeout;

use self::{postgres::Postgres, sqlite::Sqlite};
pub(crate) use self::{postgres::PostgresConnection, sqlite::SqliteConnection};
use crate::{
    sessions::{DieselSessions, RevocationLog, Vault},
    users::DieselUsers,
};

/// Time to be handed a working connection: waiting, connecting and trying it all count.
const CONNECT: Duration = Duration::from_secs(3);

/// Time for one statement.
const STATEMENT: Duration = Duration::from_secs(5);

/// The database is out of reach or refuses, and why. The text never shows an address.
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

/// The database behind an address: it brings the tables up to date and hands out repositories.
/// Clones share its connections.
#[derive(Clone)]
pub struct Database(Backend);

#[derive(Clone)]
enum Backend {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Database {
    /// Takes `sqlite://path` (relative unless the path starts with a slash, so three in all),
    /// `sqlite://:memory:`, or `postgres://…`, also spelled `postgresql://…`.
    ///
    /// A missing SQLite file is created, readable by its owner only. A PostgreSQL server is not
    /// waited for: connections are made when they are needed.
    ///
    /// With `sslmode=prefer` (the default), `require`, `verify-ca` and `verify-full` a PostgreSQL
    /// server that offers TLS must prove its name by a certificate that `tls` trusts; only
    /// `disable` leaves TLS out.
    ///
    /// # Errors
    /// [`DatabaseUnavailable`] when the address is none of these, or the file cannot be created. The
    /// text never shows a PostgreSQL address, which may hold a password.
    pub fn open(url: &str, tls: ClientConfig) -> Result<Self, DatabaseUnavailable> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            Ok(Self(Backend::Sqlite(Sqlite::open(path)?)))
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Ok(Self(Backend::Postgres(Postgres::open(url, tls)?)))
        } else {
            let expected = "the address starts with neither sqlite:// nor postgres://";
            Err(DatabaseUnavailable(expected.into()))
        }
    }

    /// Brings the tables up to date. Several processes may do so at once: one works, the others
    /// wait for it.
    ///
    /// # Errors
    /// [`DatabaseUnavailable`] when the database is out of reach or refuses a migration.
    pub async fn migrate(&self) -> Result<(), DatabaseUnavailable> {
        match &self.0 {
            Backend::Sqlite(sqlite) => sqlite.migrate().await,
            Backend::Postgres(postgres) => postgres.migrate().await,
        }
    }

    /// The people kept in this database.
    pub fn users(&self) -> Arc<dyn UserRepository> {
        match &self.0 {
            Backend::Sqlite(sqlite) => Arc::new(DieselUsers::new(sqlite.pool())),
            Backend::Postgres(postgres) => Arc::new(DieselUsers::new(postgres.pool())),
        }
    }

    /// The sessions kept in this database.
    pub(crate) fn vault(&self) -> Arc<dyn Vault> {
        match &self.0 {
            Backend::Sqlite(sqlite) => Arc::new(DieselSessions::new(sqlite.pool())),
            Backend::Postgres(postgres) => Arc::new(DieselSessions::new(postgres.pool())),
        }
    }

    /// The revocations of sessions in cookies.
    pub(crate) fn revocations(&self) -> Arc<dyn RevocationLog> {
        match &self.0 {
            Backend::Sqlite(sqlite) => Arc::new(DieselSessions::new(sqlite.pool())),
            Backend::Postgres(postgres) => Arc::new(DieselSessions::new(postgres.pool())),
        }
    }
}

impl fmt::Debug for Database {
    /// Names the kind only: an address may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Backend::Sqlite(_) => "Database(SQLite)",
            Backend::Postgres(_) => "Database(PostgreSQL)",
        })
    }
}

/// The connection that a pool hands out, once it works.
pub(crate) async fn connection<C, E: fmt::Display>(
    handed_out: impl Future<Output = Result<C, E>>,
) -> Result<C, DatabaseUnavailable> {
    timeout(CONNECT, handed_out)
        .await
        .map_err(|_| DatabaseUnavailable("no connection in time".into()))?
        .map_err(unavailable)
}

/// The answer to one statement.
pub(crate) async fn in_time<T>(
    answer: impl Future<Output = Result<T, DieselError>>,
) -> Result<T, DatabaseUnavailable> {
    timeout(STATEMENT, answer)
        .await
        .map_err(|_| DatabaseUnavailable("the database does not answer in time".into()))?
        .map_err(unavailable)
}

fn unavailable(cause: impl fmt::Display) -> DatabaseUnavailable {
    DatabaseUnavailable(cause.to_string())
}
