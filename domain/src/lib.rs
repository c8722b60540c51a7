//! Portico's inside: what it means to sign in, to be signed in and to sign out.
//!
//! - [`model`] holds the values: sessions, login attempts, claims, pages to go to next.
//! - [`ports`] holds what the inside asks of the world: one trait and its errors a file.
//! - [`use_cases`] holds what people do: one struct with one `run` a file.
//!
//! The feature `testing` adds a mock of each port. Fakes and the ports' contracts are in the crate
//! `portico-contracts`.
//!
//! This crate knows no web framework, no database and no HTTP: a test reads the resolved
//! dependency graph and fails when one of them comes in.

pub mod model;
pub mod ports;
pub mod use_cases;
