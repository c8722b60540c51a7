//! What tests of the whole site need: people who walk it, by HTTP or in a browser.
//!
//! - [`person`]: somebody with a cookie jar who reads pages, follows links and redirects, and fills
//!   in forms by their labels. Fast; the first choice.
//! - [`browser`]: the same in headless Chromium, for what only a browser can tell.
//! - [`pgbouncer`]: PgBouncer in transaction mode before a PostgreSQL server.
//! - [`postgres`]: a PostgreSQL server to throw away.
//! - [`redis`]: a Redis server to throw away.
//! - [`relay`]: forwards TCP connections and can let them die silently.
//! - [`site`]: Portico itself with the development provider and API around it.
//! - [`tiny_server`]: answers on loopback as a test tells it to.
//! - [`free_port`]: a port for a server that cannot choose one.
//! - [`tools`]: where the machine's PostgreSQL, Redis and Chromium are.
//!
//! What a test needs and the machine lacks is a `cfg` (`postgres`, `redis`, `browser`) that the
//! build script sets:
//!
//! ```ignore
//! #[tokio::test]
//! #[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
//! async fn the_menu_opens() {}
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails here fails the test that asked for it, with a message"
)]

pub mod browser;
mod form;
pub mod free_port;
pub mod page;
pub mod person;
pub mod pgbouncer;
pub mod postgres;
pub mod redis;
pub mod relay;
pub mod site;
pub mod tiny_server;
/// Where the programs are that tests start.
pub mod tools;
