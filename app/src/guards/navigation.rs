use std::convert::Infallible;

use rocket::{
    Request,
    http::MediaType,
    request::{FromRequest, Outcome},
};

/// Whether a browser wants a page to show. Scripts and other programs are better served with a
/// status and JSON than with a walk to `/login`.
pub fn is_page_navigation(request: &Request<'_>) -> bool {
    if let Some(mode) = request.headers().get_one("Sec-Fetch-Mode") {
        return mode == "navigate";
    }
    let prefers_json = request.accept().is_some_and(|accept| {
        let preferred = accept.preferred().media_type();
        *preferred == MediaType::JSON || preferred.sub().as_str().ends_with("+json")
    });
    !prefers_json
}

/// Whether this site's own page, or the person by typing an address, sent the browser here.
///
/// Browsers say so in `Sec-Fetch-Site` (Fetch Metadata Request Headers, section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameOrigin {
    /// `same-origin` or `none`.
    Yes,
    /// `same-site` or `cross-site`.
    No,
    /// The browser does not tell.
    Unknown,
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for SameOrigin {
    type Error = Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Infallible> {
        Outcome::Success(match request.headers().get_one("Sec-Fetch-Site") {
            Some("same-origin" | "none") => Self::Yes,
            Some(_) => Self::No,
            None => Self::Unknown,
        })
    }
}
