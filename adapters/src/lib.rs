//! The adapters of Portico's ports.
//!
//! Each folder holds the adapters of one port: `identity` (OpenID Connect), `users` (Diesel),
//! `sessions` (cookies, the database, Redis), `messages` (reqwest, or local). `database`, `http`,
//! `tls` and `system` are what they share.

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
