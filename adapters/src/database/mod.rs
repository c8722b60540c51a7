//! The database in which people and sessions are kept: SQLite or PostgreSQL, through Diesel.

mod patience;
mod postgres;
mod sqlite;

use std::fmt;

use diesel_async::pooled_connection::deadpool::Pool;
use portico_domain::ports::UsersUnavailable;
use rustls::ClientConfig;

pub(crate) use patience::{connection, in_time};
use postgres::Postgres;
pub(crate) use postgres::PostgresConnection;
use sqlite::Sqlite;
pub(crate) use sqlite::SqliteConnection;

/// The database behind an address: it brings the tables up to date and hands out repositories.
/// Clones share its connections.
#[derive(Clone)]
pub struct Database(Backend);

#[derive(Clone)]
enum Backend {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// The connections of a database, for an adapter's queries.
pub(crate) enum Connections {
    Sqlite(Pool<SqliteConnection>),
    Postgres(Pool<PostgresConnection>),
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
    /// [`UsersUnavailable`] when the address is none of these, or the file cannot be created. The
    /// text never shows a PostgreSQL address, which may hold a password.
    pub fn open(url: &str, tls: ClientConfig) -> Result<Self, UsersUnavailable> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            Ok(Self(Backend::Sqlite(Sqlite::open(path)?)))
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Ok(Self(Backend::Postgres(Postgres::open(url, tls)?)))
        } else {
            let expected = "the address starts with neither sqlite:// nor postgres://";
            Err(UsersUnavailable(expected.into()))
        }
    }

    /// Brings the tables up to date. Several processes may do so at once: one works, the others
    /// wait for it.
    ///
    /// # Errors
    /// [`UsersUnavailable`] when the database is out of reach or refuses a migration.
    pub async fn migrate(&self) -> Result<(), UsersUnavailable> {
        match &self.0 {
            Backend::Sqlite(sqlite) => sqlite.migrate().await,
            Backend::Postgres(postgres) => postgres.migrate().await,
        }
    }

    pub(crate) fn connections(&self) -> Connections {
        match &self.0 {
            Backend::Sqlite(sqlite) => Connections::Sqlite(sqlite.pool()),
            Backend::Postgres(postgres) => Connections::Postgres(postgres.pool()),
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

fn unavailable(cause: impl fmt::Display) -> UsersUnavailable {
    UsersUnavailable(cause.to_string())
}
