//! The rules of logging in, being logged in and logging out, in plain Rust.
//!
//! - [`model`]: sessions, log-in attempts, claims and other values, valid once constructed.
//! - [`ports`]: what the domain needs of the outside, one trait with its errors a file.
//! - [`use_cases`]: what the site does, one struct with one `run` a file.
//!
//! The feature `testing` adds a mock of each port. Fakes and the ports' contracts are in the crate
//! `portico-contracts`.
//!
//! This crate depends on no web framework, no database and no HTTP: a test reads that from the
//! resolved dependency graph.

pub mod model;
pub mod ports;
pub mod use_cases;
