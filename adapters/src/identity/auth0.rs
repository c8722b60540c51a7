//! Auth0's differences from the specifications.

use url::{Host, Url};

/// The issuer of an Auth0 tenant: `https://…/`, with the slash that Auth0 puts into its tokens.
///
/// The domain may have a scheme or a slash. An explicit `http://` is kept for a loopback host only,
/// where a replacement for Auth0 may run.
pub fn issuer(domain: &str) -> String {
    let domain = domain.trim().trim_end_matches('/');
    let (scheme, host) = domain.split_once("://").unwrap_or(("https", domain));
    let is_http = scheme.eq_ignore_ascii_case("http") && is_loopback(host);
    format!("{}://{host}/", if is_http { "http" } else { "https" })
}

fn is_loopback(host: &str) -> bool {
    match Url::parse(&format!("http://{host}")).as_ref().map(Url::host) {
        Ok(Some(Host::Domain(name))) => name == "localhost",
        Ok(Some(Host::Ipv4(address))) => address.is_loopback(),
        Ok(Some(Host::Ipv6(address))) => address.is_loopback(),
        _ => false,
    }
}

/// The log-out address that every tenant has, also those whose metadata have no
/// `end_session_endpoint` (created before November 2023). `None` for an issuer that is no URL.
pub(super) fn log_out_url(issuer: &str, client_id: &str, return_to: &str) -> Option<Url> {
    let mut url = Url::parse(issuer).ok()?.join("/v2/logout").ok()?;
    url.query_pairs_mut().append_pair("client_id", client_id).append_pair("returnTo", return_to);
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_issuer_from_any_spelling_of_the_domain() {
        for domain in [
            "t.eu.auth0.com",
            "t.eu.auth0.com/",
            "https://t.eu.auth0.com",
            " http://t.eu.auth0.com/ ",
        ] {
            assert_eq!(issuer(domain), "https://t.eu.auth0.com/", "{domain}");
        }
    }

    #[test]
    fn keeps_http_on_loopback_only() {
        assert_eq!(issuer("http://127.0.0.1:4041"), "http://127.0.0.1:4041/");
        assert_eq!(issuer("http://localhost:4041/"), "http://localhost:4041/");
        assert_eq!(issuer("127.0.0.1:4041"), "https://127.0.0.1:4041/");
    }
}
