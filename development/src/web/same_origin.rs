//! Protection against cross-site request forgery.

use std::sync::Arc;

use rocket::{
    Request, async_trait,
    http::Status,
    request::{FromRequest, Outcome},
};

use crate::model::provider::Provider;

/// Admits a form from one of the provider's own pages; 403 for any other. A request without
/// `Sec-Fetch-Site` and `Origin` comes from no browser and is admitted. Without this check, another
/// site could log its visitors in to an account of its choice.
pub(crate) struct SameOrigin;

#[async_trait]
impl<'r> FromRequest<'r> for SameOrigin {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let issuer = request.rocket().state::<Arc<Provider>>().map(|provider| provider.issuer());
        let headers = request.headers();
        let own = match (headers.get_one("Sec-Fetch-Site"), headers.get_one("Origin")) {
            (Some(site), _) => site == "same-origin",
            (None, Some(origin)) => Some(origin) == issuer,
            (None, None) => true,
        };
        if own { Outcome::Success(Self) } else { Outcome::Error((Status::Forbidden, ())) }
    }
}
