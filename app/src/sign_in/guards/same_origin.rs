use rocket::{
    Request,
    http::Status,
    request::{FromRequest, Outcome},
};
use url::Url;

use super::Refused;
use crate::About;

/// A request that a page of this site sent, for every POST that changes state. Others get a page
/// with status 403; a route that takes `Option<SameOrigin>` answers them itself.
///
/// The first of these headers that the request has decides:
///
/// 1. `Sec-Fetch-Site` is `same-origin` or `none` (Fetch Metadata Request Headers, section 2.3);
/// 2. `Origin` is the origin of `PUBLIC_URL` (RFC 6454, section 7);
/// 3. `Referer` is a page of that origin.
///
/// A request with none of them is refused. So is one that repeats a header with another value.
///
/// `SameSite=Lax` does not suffice: other ports and sibling hosts are the same site.
#[derive(Clone, Copy, Debug)]
pub struct SameOrigin(());

#[rocket::async_trait]
impl<'r> FromRequest<'r> for SameOrigin {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let own = request.rocket().state::<About>().map(|about| about.origin.as_str());
        if own.is_some_and(|own| is_same_origin(request, own)) {
            Outcome::Success(Self(()))
        } else {
            Refused::CrossSite.note(request);
            Outcome::Error((Status::Forbidden, ()))
        }
    }
}

fn is_same_origin(request: &Request<'_>, own: &str) -> bool {
    // Whether all values of the header are accepted; `None` without the header.
    let all = |name: &str, accepted: &dyn Fn(&str) -> bool| {
        let headers = request.headers();
        headers.contains(name).then(|| headers.get(name).all(accepted))
    };
    all("Sec-Fetch-Site", &|site| matches!(site, "same-origin" | "none"))
        .or_else(|| all("Origin", &|origin| origin == own))
        .or_else(|| {
            all("Referer", &|page| {
                Url::parse(page).is_ok_and(|page| page.origin().ascii_serialization() == own)
            })
        })
        .unwrap_or(false)
}
