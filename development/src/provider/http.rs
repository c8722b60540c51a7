//! What several endpoints need of HTTP.

use std::{convert::Infallible, sync::Arc};

use rocket::{
    Request, async_trait,
    fairing::{AdHoc, Fairing},
    http::{Header, Status},
    request::{FromRequest, Outcome},
};

use super::Provider;

/// The bearer token of the request's `Authorization` header, if any (RFC 6750, section 2.1).
pub(crate) struct Bearer<'r>(pub(crate) Option<&'r str>);

#[async_trait]
impl<'r> FromRequest<'r> for Bearer<'r> {
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

/// Proof that a form was sent from one of the provider's own pages, as far as the browser tells;
/// clients that are no browsers tell nothing. Without it, another site could sign its visitors
/// in to an account of its own choice.
pub(super) struct OwnPage;

#[async_trait]
impl<'r> FromRequest<'r> for OwnPage {
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

/// The usual headers. `form_targets` is where forms may lead; empty where there are none.
pub(crate) fn headers(form_targets: String) -> impl Fairing {
    let form_action = if form_targets.is_empty() { "'none'".into() } else { form_targets };
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action {form_action}; \
         base-uri 'none'; frame-ancestors 'none'"
    );
    AdHoc::on_response("headers", move |_, response| {
        for (name, value) in [
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            // Not `no-referrer`: browsers then send `Origin: null` with our own forms.
            ("Referrer-Policy", "same-origin"),
        ] {
            response.set_header(Header::new(name, value));
        }
        response.set_header(Header::new("Content-Security-Policy", policy.clone()));
        Box::pin(async {})
    })
}
