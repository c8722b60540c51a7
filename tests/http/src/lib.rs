//! HTTP for tests, without any of Portico's servers.
//!
//! - [`http_browser`]: a browser without scripts: it stores cookies, reads pages, follows links and
//!   redirects, and fills in forms by their labels.
//! - [`page`]: what it receives.
//! - [`stub_server`]: an HTTP server that responds as a test specifies.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure here fails the test that called it, with a message"
)]

mod form;
pub mod http_browser;
pub mod page;
pub mod stub_server;
