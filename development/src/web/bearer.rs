//! Bearer tokens.

use std::convert::Infallible;

use rocket::{
    Request, async_trait,
    request::{FromRequest, Outcome},
};

/// The bearer token of the request's `Authorization` header, or `None` (RFC 6750, section 2.1).
pub(crate) struct BearerToken<'r>(pub(crate) Option<&'r str>);

#[async_trait]
impl<'r> FromRequest<'r> for BearerToken<'r> {
    type Error = Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Infallible> {
        let header = request.headers().get_one("Authorization");
        let token = header.and_then(|header| {
            let (scheme, token) = header.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        Outcome::Success(Self(token))
    }
}
