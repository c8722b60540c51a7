//! The promises of the ports, as clauses that every adapter runs.
//!
//! A clause is a function over a fresh adapter, and fails by panicking. A macro for each port makes
//! one test of each clause; the crate that calls it needs `tokio` with its macros.
//!
//! ```ignore
//! async fn users_in_memory() -> (Arc<dyn UserRepository>, ()) {
//!     (Arc::new(InMemoryUsers::default()), ())
//! }
//!
//! user_repository_contract!(users_in_memory());
//! ```
//!
//! What a port promises for the time when a server is away is a clause too, but one that needs a
//! [`Server`] of its own: an adapter that has one calls it in a test of its own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a clause fails by panicking, as every test does"
)]

#[cfg(test)]
mod broken;
pub mod fakes;
pub mod fixtures;
pub mod identity;
pub mod messages;
pub mod sessions;
pub mod users;

use std::time::Duration;

use async_trait::async_trait;

/// What stands behind an adapter, and can be away.
#[async_trait]
pub trait Server: Send {
    /// Ends the server and its connections, and waits until it is gone.
    async fn stop(&mut self);

    /// Starts the server at the same place, and waits until it answers.
    async fn start_again(&mut self);
}

/// Within this time several calls in a row have said that the server is away.
pub const SOON: Duration = Duration::from_secs(20);

/// Makes a test of each clause.
#[doc(hidden)]
#[macro_export]
macro_rules! contract_tests {
    (@one [$fresh:expr $(, #[$attribute:meta])* $(,)?] $contract:ident $clause:ident) => {
        #[tokio::test]
        $(#[$attribute])*
        async fn $clause() {
            let (fresh, _kept_alive) = $fresh.await;
            $crate::$contract::$clause(fresh).await;
        }
    };
    ($arguments:tt $contract:ident: $($clause:ident)+) => {
        $($crate::contract_tests!(@one $arguments $contract $clause);)+
    };
}

/// The names of the clauses.
#[doc(hidden)]
#[macro_export]
macro_rules! contract_names {
    ([] $contract:ident: $($clause:ident)+) => {
        &[$(stringify!($clause)),+]
    };
}
