//! The pages of this application: what a team replaces with its own. Sign-in is in
//! [`crate::sign_in`].

mod code;
mod messages;
mod pages;
mod profile;

use rocket::{Route, routes};

pub(crate) use self::profile::Records;
use crate::web::{ShownTo, Tab};

/// The tabs of the header, from left to right.
pub const TABS: [Tab; 4] = [
    Tab::new("/profile", "Profile", ShownTo::Everyone),
    Tab::new("/public", "Public", ShownTo::Everyone),
    Tab::new("/protected", "Protected", ShownTo::LoggedIn),
    Tab::new("/admin", "Admin", ShownTo::LoggedIn),
];

/// The pages' routes, to be mounted at `/`.
#[must_use]
pub fn routes() -> Vec<Route> {
    [pages::routes(), routes![profile::profile], messages::routes()].concat()
}
