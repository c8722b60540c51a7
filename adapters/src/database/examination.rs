//! What `portico check` tries at the database.

use diesel::{
    backend::Backend,
    migration::{Migration, MigrationSource},
};
use diesel_migrations::EmbeddedMigrations;
use portico_domain::model::Check;
use rustls::ClientConfig;

use super::{Database, DatabaseUnavailable, Kind, sqlite};

impl Database {
    /// Like [`Database::open`], but never creates a SQLite file.
    ///
    /// # Errors
    /// As [`Database::open`]; also where the SQLite file is missing or empty.
    pub fn open_existing(url: &str, tls: ClientConfig) -> Result<Self, DatabaseUnavailable> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            sqlite::require_file(path)?;
        }
        Self::open(url, tls)
    }

    /// Fails where a migration is missing. Accepts a database that a newer version has migrated: while
    /// instances are updated one by one, the older ones go on serving.
    pub(super) async fn check_migrated(&self) -> Result<(), DatabaseUnavailable> {
        match &self.0 {
            Kind::Sqlite(sqlite) => sqlite.check_migrated().await,
            Kind::Postgres(postgres) => postgres.check_migrated().await,
        }
    }

    /// What the database is, whether it answers, and whether it is migrated; not whether it can be
    /// written, which is a matter of each table.
    pub(crate) async fn examine(&self) -> Vec<Check> {
        let mut checks = match &self.0 {
            Kind::Sqlite(sqlite) => vec![Check::passed("reachable", sqlite.describe())],
            Kind::Postgres(postgres) => match postgres.examine().await {
                Ok(checks) => checks,
                Err(cause) => {
                    return vec![Check::failed("reachable", format!("PostgreSQL: {cause}"))];
                }
            },
        };
        let migrated = match self.check_migrated().await {
            Ok(()) => self.check_version().await,
            missing => missing,
        };
        checks.push(Check::of("migrated", "by this version", migrated));
        checks
    }
}

/// Fails where one of the migrations is not among the versions that were applied; `None` where there
/// is no table of them.
pub(super) fn require_all<DB: Backend>(
    migrations: EmbeddedMigrations,
    applied: Option<&[String]>,
) -> Result<(), DatabaseUnavailable> {
    let all: Vec<Box<dyn Migration<DB>>> = migrations.migrations().map_err(super::unavailable)?;
    let applied = applied.unwrap_or_default();
    let versions = all.iter().map(|migration| migration.name().version().to_string());
    match versions.filter(|version| !applied.contains(version)).count() {
        0 => Ok(()),
        missing if missing == all.len() => Err(not_migrated("")),
        missing => {
            Err(not_migrated(&format!(" ({missing} of {} migrations are missing)", all.len())))
        }
    }
}

/// `detail` says more, with a space before it.
pub(super) fn not_migrated(detail: &str) -> DatabaseUnavailable {
    DatabaseUnavailable(format!("not migrated{detail}: run `portico migrate`"))
}
