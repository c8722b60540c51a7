//! What stands behind Portico's ports.
//!
//! Each folder holds the adapters of one port, named by technology: `identity` (OpenID Connect),
//! `users` (Diesel), `sessions` (Rocket's private cookies,
//! the database, Redis), `messages` (reqwest, or local).

pub mod database;
pub mod http;
pub mod identity;
pub mod messages;
pub mod sessions;
pub mod system;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tls;
pub mod users;
