//! Sign-in: log-in, sign-up, callback, log-out, the user's sessions, log-out by the provider, and
//! the guards and catchers of protected pages. Knows none of the site's own pages.

mod callback;
pub mod catchers;
mod entry_refused;
pub mod guards;
mod login;
mod login_limit;
mod logout;
mod operator_faults;
mod provider_logout;
mod sessions;
mod sessions_view;

use rocket::Route;

pub(crate) use self::{
    entry_refused::{another_account, entry_refused},
    login::login_address,
    login_limit::LoginLimit,
    operator_faults::{ASK_OPERATORS, account_too_large},
    provider_logout::FRONT_CHANNEL,
};

/// The routes of sign-in, to be mounted at `/`.
#[must_use]
pub fn routes() -> Vec<Route> {
    [
        login::routes(),
        callback::routes(),
        logout::routes(),
        sessions::routes(),
        provider_logout::routes(),
    ]
    .concat()
}
