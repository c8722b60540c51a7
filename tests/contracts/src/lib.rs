//! The contracts of the ports, as clauses that every adapter runs.
//!
//! A clause is a function that gets a fresh adapter and panics when the adapter breaks the promise.
//! A macro for each port makes a test of each clause; the crate that calls it needs `tokio` with
//! its macros.
//!
//! ```ignore
//! async fn users() -> (Arc<dyn UserRepository>, ()) {
//!     (Arc::new(InMemoryUsers::default()), ())
//! }
//!
//! user_repository_contract!(users());
//! ```
//!
//! What a port promises during an outage is a clause as well, but one that needs a [`Server`] to
//! stop, or a [`ReadOnly`] storage: an adapter that has one calls it in a test of its own.
//!
//! [`fakes`] holds adapters in memory that keep the contracts, [`fixtures`] example values. The
//! tests of this crate run each clause against an adapter that breaks it.
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

/// The server behind an adapter.
#[async_trait]
pub trait Server: Send {
    /// Stops the server, closes its connections, and waits until it is gone.
    async fn stop(&mut self);

    /// Starts the server at the same address, and waits until it answers.
    async fn start_again(&mut self);
}

/// The storage behind an adapter, which can be made to refuse writes: it is overwritten, or becomes a
/// replica.
#[async_trait]
pub trait ReadOnly: Send {
    /// Refuses writes, also on connections that are open.
    async fn refuse_writes(&mut self);

    /// Accepts writes again. False where a running adapter need not notice that, because the storage
    /// can be restored only while nothing has it open.
    async fn accept_writes(&mut self) -> bool;
}

/// Within this time several calls in a row have reported that the server is down.
pub const OUTAGE_TIMEOUT: Duration = Duration::from_secs(20);

/// Makes a test of each clause.
#[doc(hidden)]
#[macro_export]
macro_rules! contract_tests {
    (@one [$adapter:expr $(, #[$attribute:meta])* $(,)?] $contract:ident $clause:ident) => {
        #[tokio::test]
        $(#[$attribute])*
        async fn $clause() {
            let (adapter, _keep_alive) = $adapter.await;
            $crate::$contract::$clause(adapter).await;
        }
    };
    ($arguments:tt $contract:ident: $($clause:ident)+) => {
        $($crate::contract_tests!(@one $arguments $contract $clause);)+
    };
}

/// Calls one clause after the other.
#[doc(hidden)]
#[macro_export]
macro_rules! contract_calls {
    ([$adapter:expr] $contract:ident: $($clause:ident)+) => {
        $({
            let (adapter, _keep_alive) = $adapter.await;
            ::std::boxed::Box::pin($crate::$contract::$clause(adapter)).await;
        })+
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
