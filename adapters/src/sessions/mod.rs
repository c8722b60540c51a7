//! Adapters of the ports `SessionStore` and `SessionRegistry`: sessions in the visitors' cookies, in
//! the database, or in Redis. Login attempts are in cookies always.

mod attempts;
mod chunks;
mod jar;
mod keys;
mod private_cookies;
mod redis;
mod revocations;
mod seal;
mod server_side;
mod tables;
mod turns;
mod vault;

use std::{future::Future, sync::Arc, time::Duration};

use portico_domain::ports::{SessionStore, SessionsUnavailable};
use rocket::http::CookieJar;

pub use self::{
    jar::CookieSettings,
    keys::{InvalidKey, KeyMaterial},
    private_cookies::PrivateCookies,
    server_side::ServerSide,
};
pub(crate) use self::{
    tables::DieselSessions,
    vault::{RevocationLog, Vault},
};

/// Makes the store of the visitor behind one request, from what the browser sent along.
pub trait Sessions: Send + Sync {
    /// The store of the visitor whose cookies these are. Call it anew in a catcher: Rocket drops
    /// the cookie changes of a failed guard, and a fresh store makes them again.
    fn of<'r>(&'r self, jar: &'r CookieJar<'_>) -> Box<dyn SessionStore + 'r>;
}

/// Does the work now and then, as long as somebody else holds on to what it works on. Not at once:
/// a site that starts brings its tables up to date first.
fn repeat<T, F>(every: Duration, what: &Arc<T>, work: impl Fn(Arc<T>) -> F + Send + 'static)
where
    T: ?Sized + Send + Sync + 'static,
    F: Future<Output = ()> + Send,
{
    let what = Arc::downgrade(what);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(every).await;
            let Some(what) = what.upgrade() else { break };
            work(what).await;
        }
    });
}

fn unavailable(cause: impl std::fmt::Display) -> SessionsUnavailable {
    SessionsUnavailable(cause.to_string())
}

#[cfg(test)]
mod tests;
