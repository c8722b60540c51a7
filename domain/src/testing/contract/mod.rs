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
mod bites;
pub mod identity;
pub mod messages;
pub mod sessions;
pub mod users;

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

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

/// Runs all at once, and answers when the last is done.
async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.map(Box::pin).collect();
    let mut done = Vec::new();
    poll_fn(|context| {
        waiting.retain_mut(|future| match future.as_mut().poll(context) {
            Poll::Ready(output) => {
                done.push(output);
                false
            }
            Poll::Pending => true,
        });
        if waiting.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done
}

/// Runs both at once.
async fn join<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let mut done = (None, None);
    poll_fn(move |context| {
        poll_once(&mut done.0, a.as_mut(), context);
        poll_once(&mut done.1, b.as_mut(), context);
        match (done.0.take(), done.1.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            not_both => {
                done = not_both;
                Poll::Pending
            }
        }
    })
    .await
}

fn poll_once<F: Future>(
    done: &mut Option<F::Output>,
    future: Pin<&mut F>,
    context: &mut Context<'_>,
) {
    if done.is_none()
        && let Poll::Ready(output) = future.poll(context)
    {
        *done = Some(output);
    }
}

/// Makes a test of each clause.
#[doc(hidden)]
#[macro_export]
macro_rules! contract_tests {
    (@one [$fresh:expr $(, #[$attribute:meta])* $(,)?] $contract:ident $clause:ident) => {
        #[tokio::test]
        $(#[$attribute])*
        async fn $clause() {
            let (fresh, _kept_alive) = $fresh.await;
            $crate::testing::contract::$contract::$clause(fresh).await;
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
