//! The adapter of the port `UserRepository`: Diesel on SQLite and on PostgreSQL.

mod repository;
mod rows;

pub use repository::diesel_users;

#[cfg(test)]
mod tests;
