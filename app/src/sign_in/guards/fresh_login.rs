use std::ops::Deref;

use super::{LoginRequired, Visitor};
use crate::Ports;
use chrono::TimeDelta;
use portico_domain::model::Session;
use rocket::{
    Request,
    http::Status,
    request::{FromRequest, Outcome},
};

/// A user whom the provider authenticated within the last `SECONDS`: for pages where an older session
/// is not enough. Others are sent to log in again (`max_age`; OpenID Connect Core,
/// section 3.1.2.1) and come back; a request that is no page navigation gets 401 and JSON.
///
/// ```
/// # use portico::guards::FreshLogin;
/// #[rocket::get("/keys")]
/// fn keys(user: FreshLogin<'_, 300>) -> String {
///     format!("The keys of {}", user.subject().subject)
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FreshLogin<'r, const SECONDS: u32>(pub &'r Session);

impl<const SECONDS: u32> Deref for FreshLogin<'_, SECONDS> {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.0
    }
}

/// The maximum age of the login for the page that was just refused, for the catcher for 401.
#[derive(Clone, Copy)]
pub(crate) struct Wanted(Option<u32>);

impl Wanted {
    /// In seconds; `None` where any login will do.
    pub(crate) fn of(request: &Request<'_>) -> Option<u32> {
        request.local_cache(|| Self(None)).0
    }
}

impl<'r, const SECONDS: u32> From<FreshLogin<'r, SECONDS>> for Visitor<'r> {
    fn from(user: FreshLogin<'r, SECONDS>) -> Self {
        Self::logged_in(user.0)
    }
}

#[rocket::async_trait]
impl<'r, const SECONDS: u32> FromRequest<'r> for FreshLogin<'r, SECONDS> {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let refused = || {
            request.local_cache(|| Wanted(Some(SECONDS)));
            Outcome::Error((Status::Unauthorized, ()))
        };
        let user = match LoginRequired::from_request(request).await {
            Outcome::Success(user) => user,
            Outcome::Error((status, ())) if status == Status::Unauthorized => return refused(),
            other => return other.map(|user| Self(user.0)),
        };
        let Some(ports) = Ports::of(request) else { return refused() };
        let max_age = TimeDelta::seconds(SECONDS.into());
        if user.identity.authenticated_within(max_age, ports.clock.now()) {
            Outcome::Success(Self(user.0))
        } else {
            refused()
        }
    }
}
