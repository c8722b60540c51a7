use std::{marker::PhantomData, ops::Deref};

use portico_domain::model::{Permission, Session};
use rocket::{
    Request,
    http::Status,
    request::{FromRequest, Outcome},
};

use super::{LoginRequired, Refused, Visitor};

/// Names the permission that a page needs.
///
/// ```
/// use portico::guards::{Needs, Permitted};
///
/// struct ReadReports;
///
/// impl Needs for ReadReports {
///     const PERMISSION: &'static str = "read:reports";
/// }
///
/// #[rocket::get("/reports")]
/// fn reports(user: Permitted<'_, ReadReports>) -> String {
///     user.subject().subject.clone()
/// }
/// ```
pub trait Needs {
    /// As the provider names it, such as `read:reports`.
    const PERMISSION: &'static str;
}

/// The code of the guide compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/permissions.md")]
struct Guide;

/// A logged-in user with the permission `N`, according to the provider at log-in. A visitor without a
/// session is sent to log in; a user without the permission gets a page with status 403.
pub struct Permitted<'r, N>(pub &'r Session, PhantomData<N>);

impl<N> Deref for Permitted<'_, N> {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.0
    }
}

impl<'r, N> From<Permitted<'r, N>> for Visitor<'r> {
    fn from(user: Permitted<'r, N>) -> Self {
        Self::logged_in(user.0)
    }
}

#[rocket::async_trait]
impl<'r, N: Needs> FromRequest<'r> for Permitted<'r, N> {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        LoginRequired::from_request(request).await.and_then(|LoginRequired(session)| {
            if session.has(&Permission::new(N::PERMISSION)) {
                Outcome::Success(Self(session, PhantomData))
            } else {
                Refused::LacksPermission(N::PERMISSION).note(request);
                Outcome::Error((Status::Forbidden, ()))
            }
        })
    }
}
