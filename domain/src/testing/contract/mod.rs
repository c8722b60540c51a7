//! The promises of the ports, as clauses that every adapter runs.
//!
//! A clause is a function over a fresh adapter. [`user_repository_contract!`] and
//! [`session_store_contract!`] make one test of each; the crate that calls them needs `tokio` with
//! its macros.
//!
//! ```ignore
//! async fn users_in_memory() -> (Arc<dyn UserRepository>, ()) {
//!     (Arc::new(InMemoryUsers::default()), ())
//! }
//!
//! user_repository_contract!(users_in_memory());
//! ```
//!
//! [`user_repository_contract!`]: crate::user_repository_contract
//! [`session_store_contract!`]: crate::session_store_contract
#![allow(clippy::unwrap_used, reason = "a clause fails by panicking, as every test does")]

pub mod sessions;
pub mod users;
