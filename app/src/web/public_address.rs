//! Redirects to `PUBLIC_URL`. A cookie belongs to one host: a log-in that begins at
//! `http://localhost:4040` cannot be completed at `http://127.0.0.1:4040`.

use rocket::{
    Request, Route, get, head,
    http::{Header, HeaderMap, Status},
    request::{FromRequest, Outcome},
    response::{self, Responder, Response},
    routes,
};
use url::{Host, Url};

use super::client_address::TrustedProxies;
use crate::About;

/// Before every other route: a GET or HEAD under another host than `PUBLIC_URL`'s.
pub(crate) fn routes() -> Vec<Route> {
    let mut routes = routes![redirect, redirect_head];
    routes.iter_mut().for_each(|route| route.rank = -100);
    routes
}

/// Asked by machines, which know the site by an inner address.
const EXCEPTED: [&str; 2] = ["/health", "/backchannel-logout"];

/// Headers by which a proxy makes itself known (RFC 9110, section 7.6.3; RFC 7239).
const OF_PROXIES: [&str; 5] =
    ["Via", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"];

#[get("/<_..>")]
fn redirect(to: PublicAddress) -> PublicAddress {
    to
}

#[head("/<_..>")]
fn redirect_head(to: PublicAddress) -> PublicAddress {
    to
}

/// The requested address under `PUBLIC_URL`. As a guard it forwards where the browser is there
/// already, and where it cannot be told which host the browser sees. As a response it is 307, which
/// the browser does not cache.
struct PublicAddress(String);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for PublicAddress {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let here = Outcome::Forward(Status::NotFound);
        let Some(about) = request.rocket().state::<About>() else { return here };
        let mut first = request.uri().path().segments();
        let first = first.next().map(|segment| format!("/{segment}"));
        if first.is_some_and(|first| EXCEPTED.contains(&&*first)) {
            return here;
        }
        let is_proxy = request.remote().is_some_and(|peer| {
            let proxies: &TrustedProxies = &about.trusted_proxies;
            proxies.contains(peer.ip().into())
        });
        if sees_another_host(request.headers(), &about.origin, is_proxy) {
            Outcome::Success(Self(format!("{}{}", about.origin, request.uri())))
        } else {
            here
        }
    }
}

impl<'r> Responder<'r, 'static> for PublicAddress {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        Response::build()
            .status(Status::TemporaryRedirect)
            .header(Header::new("Location", self.0))
            .header(Header::new("Cache-Control", "no-store"))
            .ok()
    }
}

/// Whether the browser's address bar shows another host or port than `own`, an origin. `false` where
/// that is not certain: a proxy may have replaced `Host` by its own name for the site, and a redirect
/// would then come back for ever.
fn sees_another_host(headers: &HeaderMap<'_>, own: &str, by_trusted_proxy: bool) -> bool {
    let Some(own) = Url::parse(own).ok() else { return false };
    let of = |host: &str| Url::parse(&format!("{}://{}/", own.scheme(), host.trim())).ok();
    let is_own = |url: &Url| url.origin() == own.origin();

    let mut forwarded = headers.get("X-Forwarded-Host").flat_map(|hosts| hosts.split(','));
    if let Some(first) = forwarded.next() {
        // Each proxy appends the host of the request that it received.
        return by_trusted_proxy
            && of(first).is_some_and(|url| !is_own(&url))
            && !forwarded.filter_map(of).any(|url| is_own(&url));
    }
    // HTTP/1.0 has no such header. Two of them are an invalid request.
    let mut hosts = headers.get("Host");
    let (Some(host), None) = (hosts.next().and_then(of), hosts.next()) else { return false };
    if is_own(&host) || OF_PROXIES.iter().any(|name| headers.contains(name)) {
        return false;
    }
    let same_machine = is_loopback(&host)
        && is_loopback(&own)
        && host.port_or_known_default() == own.port_or_known_default();
    // The page that the browser was on has the host that this request names.
    let referrer = headers.get_one("Referer").and_then(|page| Url::parse(page).ok());
    let was_there = referrer
        .is_some_and(|page| matches!(page.scheme(), "http" | "https") && same_host(&page, &host));
    same_machine || was_there
}

fn same_host(one: &Url, other: &Url) -> bool {
    one.host() == other.host() && one.port_or_known_default() == other.port_or_known_default()
}

/// Whether a browser on this machine reaches this machine by the host of the address.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_unspecified(),
        Some(Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unspecified(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirects(
        own: &str,
        by_trusted_proxy: bool,
        headers: &[(&'static str, &'static str)],
    ) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.add(Header::new(*name, *value));
        }
        sees_another_host(&map, own, by_trusted_proxy)
    }

    const LOCAL: &str = "http://127.0.0.1:4040";
    const PUBLIC: &str = "https://app.example";

    #[test]
    fn redirects_other_names_of_this_machine() {
        for host in
            ["localhost:4040", "LOCALHOST:4040", "[::1]:4040", "127.0.0.2:4040", "0.0.0.0:4040"]
        {
            assert!(redirects(LOCAL, false, &[("Host", host)]), "{host}");
        }
        for host in [
            "127.0.0.1:4040",
            "localhost",
            "localhost:8080",
            "portico:4040",
            "10.0.0.1:4040",
            "",
            "a b",
        ] {
            assert!(!redirects(LOCAL, false, &[("Host", host)]), "{host}");
        }
        assert!(redirects("http://localhost:4040", false, &[("Host", "127.0.0.1:4040")]));
        assert!(!redirects("http://localhost", false, &[("Host", "LocalHost:80")]));
        assert!(!redirects(LOCAL, false, &[]), "HTTP/1.0");
        assert!(!redirects(
            LOCAL,
            false,
            &[("Host", "localhost:4040"), ("Host", "127.0.0.1:4040")]
        ));
    }

    #[test]
    fn never_redirects_where_a_proxy_may_have_replaced_the_host() {
        for host in ["127.0.0.1:4040", "portico:4040", "localhost", "other.example"] {
            assert!(!redirects(PUBLIC, false, &[("Host", host)]), "{host}");
            let referer = ("Referer", "https://app.example/");
            assert!(!redirects(PUBLIC, false, &[("Host", host), referer]), "{host}");
        }
        for name in OF_PROXIES {
            assert!(
                !redirects(LOCAL, false, &[("Host", "localhost:4040"), (name, "x.example")]),
                "{name}"
            );
        }
    }

    #[test]
    fn redirects_browser_whose_page_has_another_host() {
        let referer = ("Referer", "http://10.0.0.1:4040/docs");
        assert!(redirects(LOCAL, false, &[("Host", "10.0.0.1:4040"), referer]));
        let referer = ("Referer", "https://www.app.example/");
        assert!(redirects(PUBLIC, false, &[("Host", "www.app.example"), referer]));
        assert!(!redirects(PUBLIC, false, &[("Host", "app.example"), referer]));
    }

    #[test]
    fn trusted_proxy_tells_the_host() {
        let forwarded = |host| [("Host", "portico:4040"), ("X-Forwarded-Host", host)];
        assert!(redirects(PUBLIC, true, &forwarded("www.app.example")));
        assert!(!redirects(PUBLIC, true, &forwarded("app.example")));
        assert!(!redirects(PUBLIC, true, &forwarded("www.app.example, app.example")));
        assert!(!redirects(PUBLIC, true, &forwarded("not a host")));
        assert!(
            !redirects(PUBLIC, false, &forwarded("www.app.example")),
            "anybody can send the header"
        );
    }
}
