use rocket::{
    Request,
    http::Status,
    request::{FromRequest, Outcome},
};

/// Whether the browser fetches a page in advance (`Sec-Purpose`; Fetch, section 3.10, and the older
/// `Purpose` and `X-Moz`).
pub(crate) fn is_prefetch(request: &Request<'_>) -> bool {
    ["Sec-Purpose", "Purpose", "X-Moz"].iter().any(|name| {
        request.headers().get(name).any(|value| value.to_ascii_lowercase().contains("prefetch"))
    })
}

/// A request that may begin or complete a log-in: no prefetch and, as far as the browser tells
/// (`Sec-Fetch-Mode`), no sub-resource. Others get 403, an error, so that a browser does not show a
/// prefetched answer later.
///
/// HEAD needs a route of its own: Rocket answers it by the route for GET, and calls it GET in guards.
#[derive(Clone, Copy, Debug)]
pub struct NotPrefetched(());

#[rocket::async_trait]
impl<'r> FromRequest<'r> for NotPrefetched {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let mut modes = request.headers().get("Sec-Fetch-Mode");
        if is_prefetch(request) || modes.any(|mode| mode != "navigate") {
            Refused::NotNavigated.note(request);
            Outcome::Error((Status::Forbidden, ()))
        } else {
            Outcome::Success(Self(()))
        }
    }
}

/// A GET by which the user opened an address, from this site or by typing it: `Sec-Fetch-Mode:
/// navigate`, `Sec-Fetch-Dest: document`, `Sec-Fetch-Site: same-origin` or `none`, and no prefetch.
/// Without these headers the guard cannot decide, and fails.
///
/// HEAD needs a route of its own, as with [`NotPrefetched`].
#[derive(Clone, Copy, Debug)]
pub struct UserNavigation(());

#[rocket::async_trait]
impl<'r> FromRequest<'r> for UserNavigation {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let is = |name: &str, accepted: &[&str]| {
            let headers = request.headers();
            headers.contains(name) && headers.get(name).all(|value| accepted.contains(&value))
        };
        let navigated = is("Sec-Fetch-Mode", &["navigate"])
            && is("Sec-Fetch-Dest", &["document"])
            && is("Sec-Fetch-Site", &["same-origin", "none"])
            && !is_prefetch(request);
        if navigated {
            Outcome::Success(Self(()))
        } else {
            Refused::NotNavigated.note(request);
            Outcome::Error((Status::Forbidden, ()))
        }
    }
}

/// Why a guard of this request answered 403, for the catcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Another site may have sent it.
    CrossSite,
    /// The user did not open the address.
    NotNavigated,
    /// The user lacks this permission.
    LacksPermission(&'static str),
}

impl Refused {
    pub(super) fn note(self, request: &Request<'_>) {
        request.local_cache(|| Some(self));
    }

    /// `None` where another guard or a route answered 403.
    pub(crate) fn of(request: &Request<'_>) -> Option<Self> {
        *request.local_cache(|| None)
    }
}
