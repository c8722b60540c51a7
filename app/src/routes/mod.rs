//! The site's addresses. Routes translate: they parse, run a use case, and show or redirect.

mod health;
mod login;
mod logout;
mod messages;
mod pages;
mod provider_logout;
mod sessions;

use rocket::Route;

pub(crate) use self::{health::Readiness, provider_logout::FRONT_CHANNEL};

/// All of them.
pub fn all() -> Vec<Route> {
    [
        pages::routes(),
        sessions::routes(),
        messages::routes(),
        login::routes(),
        logout::routes(),
        provider_logout::routes(),
        health::routes(),
    ]
    .concat()
}
