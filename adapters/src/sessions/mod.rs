//! Adapters of the ports `SessionStore`, `SessionRegistry`, `LoginAttempts` and `ReplayGuard`.
//!
//! Sessions are kept in the visitors' own cookies ([`CookieSessions`]), or on the server's side, in
//! the database or in Redis ([`ServerSideSessions`]). Log-in attempts are always kept in cookies
//! ([`CookieLoginAttempts`]).

mod attempts;
mod cookie;
mod cookies;
mod diesel;
mod keys;
mod replay_guard;
mod server_side;

use std::{future::Future, sync::Arc, time::Duration};

use portico_domain::ports::{LoginAttempts, SessionStore, SessionsUnavailable};
use rocket::Request;
use sha2::{Digest, Sha256};

pub use self::{
    attempts::CookieLoginAttempts,
    cookie::CookieSessions,
    cookies::CookieSettings,
    keys::{InvalidKey, KeyMaterial},
    server_side::{InvalidRedisAddress, RedisAddress, ServerSideSessions},
};

/// Makes the session store of the visitor behind one request.
pub trait SessionStores: Send + Sync {
    /// The store for this request. Make a new one in a catcher: Rocket drops the cookie changes of
    /// a failed guard, and a new store makes them again.
    fn of<'r>(&'r self, request: &'r Request<'_>) -> Box<dyn SessionStore + 'r>;
}

/// Makes the log-in attempts of the visitor behind one request.
pub trait LoginAttemptStores: Send + Sync {
    /// The attempts for this request.
    fn of<'r>(&'r self, request: &'r Request<'_>) -> Box<dyn LoginAttempts + 'r>;
}

/// A SHA-256 hash.
type Hash = [u8; 32];

/// The hash of several texts, each preceded by its length, so that no two lists have one hash.
fn hash_of(texts: &[&str]) -> Hash {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.len().to_be_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

/// Repeats the work in the background as long as something else holds the subject. The first time
/// after one period: a site that starts migrates its tables first.
fn repeat<T, F>(period: Duration, subject: &Arc<T>, work: impl Fn(Arc<T>) -> F + Send + 'static)
where
    T: ?Sized + Send + Sync + 'static,
    F: Future<Output = ()> + Send,
{
    let subject = Arc::downgrade(subject);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(period).await;
            let Some(subject) = subject.upgrade() else { break };
            work(subject).await;
        }
    });
}

fn unavailable(cause: impl std::fmt::Display) -> SessionsUnavailable {
    SessionsUnavailable(cause.to_string())
}

#[cfg(test)]
mod tests;
