//! The adapter of the port `UserRepository`: Diesel on SQLite and on PostgreSQL.

mod repository;
mod rows;

pub(crate) use repository::DieselUsers;

#[cfg(test)]
mod tests;
