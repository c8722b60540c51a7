//! What a route may require of the visitor: it takes one of these as a parameter.
//!
//! - [`Visitor`]: logged in or not, or unknown while the session store is out of reach.
//! - [`LoginRequired`]: logged-in users; other visitors are sent to `/login` and return.
//! - [`FreshLogin`]: users who logged in recently; others log in again and return.
//! - [`Permitted`]: logged-in users with a permission; others get a page with status 403.
//! - [`Device`]: the visitor's browser and operating system.
//! - [`SameOrigin`]: a page of this site sent the request; for every POST that changes state.
//! - [`UserNavigation`], [`NotPrefetched`]: for a GET that changes state.

mod device;
mod fresh_login;
mod login_required;
mod navigation;
mod permitted;
mod same_origin;
mod visitor;

pub use device::Device;
pub use fresh_login::FreshLogin;
pub(crate) use fresh_login::Wanted;
pub use login_required::LoginRequired;
pub use navigation::{NotPrefetched, UserNavigation};
pub(crate) use navigation::{Refused, is_prefetch};
pub use permitted::{Needs, Permitted};
pub use same_origin::SameOrigin;
pub use visitor::{Stores, Visitor};
