//! Adapters of the port `SessionStore`.

mod chunks;
mod private_cookies;

use portico_domain::ports::SessionStore;
use rocket::http::CookieJar;

pub use private_cookies::{PrivateCookieSettings, PrivateCookies};

/// Makes the store of the visitor behind one request, from what the browser sent along.
pub trait Sessions: Send + Sync {
    /// The store of the visitor whose cookies these are. Call it anew in a catcher: Rocket drops
    /// the cookie changes of a failed guard, and a fresh store makes them again.
    fn of<'r>(&'r self, jar: &'r CookieJar<'_>) -> Box<dyn SessionStore + 'r>;
}

#[cfg(test)]
mod tests;
