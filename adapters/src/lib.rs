//! What stands behind Portico's ports.
//!
//! Each folder holds the adapters of one port, named by technology: `identity` (OpenID Connect),
//! `users` (Diesel), `sessions` (Rocket's private cookies,
//! the database, Redis), `messages` (reqwest, or local).
//! `development` holds the outside world in a box: an OpenID provider and a messages API on
//! loopback.

pub mod database;
#[cfg(feature = "development")]
pub mod development;
pub mod http;
pub mod identity;
pub mod messages;
pub mod sessions;
pub mod system;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tls;
pub mod users;
