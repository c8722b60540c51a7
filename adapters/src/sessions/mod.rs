//! Adapters of the ports `SessionStore` and `SessionRegistry`: sessions in private cookies, in the
//! database, or in Redis.

mod attempts;
mod chunks;
mod database;
mod hash;
mod jar;
mod keys;
mod private_cookies;
mod redis;
mod revocations;
mod rows;
mod seal;
mod server_side;
mod turns;
mod visitor;

use portico_domain::{
    model::Lifetimes,
    ports::{SessionStore, SessionsUnavailable},
};
use rocket::http::CookieJar;

pub use keys::SiteKeys;
pub use private_cookies::PrivateCookies;
pub use server_side::ServerSide;

/// Makes the store of the visitor behind one request, from what the browser sent along.
pub trait Sessions: Send + Sync {
    /// The store of the visitor whose cookies these are. Call it anew in a catcher: Rocket drops
    /// the cookie changes of a failed guard, and a fresh store makes them again.
    fn of<'r>(&'r self, jar: &'r CookieJar<'_>) -> Box<dyn SessionStore + 'r>;
}

/// What all stores are told.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    /// Whether browsers reach the site by https. The cookies are then `Secure`, and their names
    /// begin with `__Host-`, so that no other host of the domain can set them (RFC 6265bis,
    /// section 4.1.3.2).
    pub secure: bool,
    /// How long sessions last.
    pub lifetimes: Lifetimes,
    /// What seals them. Rocket must have the current one as its `secret_key`.
    pub keys: SiteKeys,
}

fn unavailable(cause: impl std::fmt::Display) -> SessionsUnavailable {
    SessionsUnavailable(cause.to_string())
}

#[cfg(test)]
mod tests;
