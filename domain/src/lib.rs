//! Portico's inside: what it means to sign in, to be signed in and to sign out.
//!
//! - [`model`] holds the values: sessions, login attempts, claims, pages to go to next.
//! - [`ports`] holds what the inside asks of the world: one trait and its errors a file.
//! - [`use_cases`] holds what people do: one struct with one `run` a file.
//! - `testing` (feature `testing`) holds mocks, fakes and each port's contract.
//!
//! This crate knows no web framework, no database and no HTTP: a test reads the resolved
//! dependency graph and fails when one of them comes in.

pub mod model;
pub mod ports;
#[cfg(feature = "testing")]
pub mod testing;
pub mod use_cases;
