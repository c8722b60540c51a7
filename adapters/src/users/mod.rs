//! Adapter of the port `UserRepository`: Diesel on SQLite and on PostgreSQL.

mod repository;
mod rows;

use std::sync::Arc;

use portico_domain::ports::UserRepository;

use crate::database::Connections;
pub use crate::database::Database;
use repository::DieselUsers;

impl Database {
    /// The people kept in this database.
    pub fn users(&self) -> Arc<dyn UserRepository> {
        match self.connections() {
            Connections::Sqlite(pool) => Arc::new(DieselUsers::new(pool)),
            Connections::Postgres(pool) => Arc::new(DieselUsers::new(pool)),
        }
    }
}

#[cfg(test)]
mod tests;
