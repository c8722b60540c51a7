//! The pages of this application: what a team replaces with its own. Sign-in is in
//! [`crate::sign_in`].

mod code;
mod messages;
mod pages;
mod profile;

use rocket::{Route, routes};

pub(crate) use self::profile::Records;

/// The pages' routes, to be mounted at `/`.
#[must_use]
pub fn routes() -> Vec<Route> {
    [pages::routes(), routes![profile::profile], messages::routes()].concat()
}
