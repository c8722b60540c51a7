use std::ops::Deref;

use portico_domain::model::Session;
use rocket::{
    Request,
    http::Status,
    request::{FromRequest, Outcome},
};

use super::Visitor;

/// A logged-in user. A visitor without a session is sent to `/login?next=…`, or gets 401 and JSON where
/// the request is no page navigation; the catcher for 401 does that.
#[derive(Clone, Copy, Debug)]
pub struct LoginRequired<'r>(pub &'r Session);

impl Deref for LoginRequired<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.0
    }
}

impl<'r> From<LoginRequired<'r>> for Visitor<'r> {
    fn from(user: LoginRequired<'r>) -> Self {
        Self::logged_in(user.0)
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for LoginRequired<'r> {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        Visitor::from_request(request).await.and_then(|visitor| match visitor.session {
            Some(session) => Outcome::Success(Self(session)),
            None if visitor.is_unknown => Outcome::Error((Status::ServiceUnavailable, ())),
            None => Outcome::Error((Status::Unauthorized, ())),
        })
    }
}
