//! What tests of the whole site use.
//!
//! - [`http_browser`], [`page`]: a fast browser without scripts; the first choice.
//! - [`browser`]: headless Chromium, for scripts, layout and accessibility.
//! - [`certificate`]: a certificate for servers on 127.0.0.1.
//! - [`foreign`]: identity providers of other vendors.
//! - [`log_capture`]: what the site logs.
//! - [`nginx`]: nginx with TLS before two instances.
//! - [`pgbouncer`]: PgBouncer in transaction mode before a PostgreSQL server.
//! - [`postgres`], [`redis`]: temporary servers.
//! - [`relay`]: forwards TCP connections and can stop forwarding without closing them.
//! - [`site`]: Portico with the development servers.
//! - [`stub_server`]: an HTTP server that responds as a test specifies.
//! - [`free_port`]: a port for a server that cannot choose one.
//! - [`tools`]: finds the machine's PostgreSQL, Redis, Chromium, Java, Node.js and Python.
//!
//! The build script sets a `cfg` for each tool that the machine has (`postgres`, `redis`,
//! `browser`, `keycloak`, `oidc_provider`, `django`):
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
    reason = "a failure here fails the test that called it, with a message"
)]

pub use portico_test_http::{http_browser, page, stub_server};

pub mod browser;
pub mod certificate;
pub mod foreign;
pub mod free_port;
pub mod log_capture;
pub mod nginx;
pub mod pgbouncer;
pub mod postgres;
pub mod redis;
pub mod relay;
pub mod site;
/// Finds the programs that tests start.
pub mod tools;
