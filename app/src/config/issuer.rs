//! The issuer, in the form that a provider's metadata can have.

use portico_adapters::identity::auth0;
use url::Url;

use super::web_address;

/// Where the metadata of an issuer are (OpenID Connect Discovery, section 4).
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// Reads `OIDC_ISSUER_URL`, unchanged: it is compared with the metadata character by character. A host
/// without a path may lack its slash.
///
/// # Errors
/// What is expected instead, with the canonical form where there is one.
pub(super) fn issuer(text: &str) -> Result<String, String> {
    let no_address = || "the provider's issuer: an https:// address, or http:// on loopback".into();
    if text.contains(['{', '}']) {
        return Err("the issuer of one tenant, with its id in place of {…}".into());
    }
    let mut url = Url::parse(text).map_err(|_| no_address())?;
    let has_user = !url.username().is_empty() || url.password().is_some();
    if !matches!(url.scheme(), "http" | "https") || has_user {
        return Err(no_address());
    }
    url.set_query(None);
    url.set_fragment(None);
    if let Some(path) = url.path().strip_suffix(WELL_KNOWN).map(str::to_owned) {
        url.set_path(&path);
    }
    let mut canonical = url.as_str();
    if url.path() == "/" {
        let bare = canonical.trim_end_matches('/');
        canonical = if text == canonical { canonical } else { bare };
    }
    if text != canonical {
        return Err(format!(
            "`{canonical}`: an issuer is compared character by character, and has a lower-case scheme \
             and host, no default port, dot segment, query or fragment, and no {WELL_KNOWN}"
        ));
    }
    web_address(text).map(|_| text.to_owned()).ok_or_else(no_address)
}

/// The issuer of the tenant in `AUTH0_DOMAIN`, which may have a scheme and a final slash.
///
/// # Errors
/// What is expected instead, with the domain where there is one.
pub(super) fn auth0_issuer(text: &str) -> Result<String, String> {
    let (_, domain) = text.split_once("://").unwrap_or(("", text));
    let url = web_address(&auth0::issuer(text))
        .filter(|_| !domain.is_empty())
        .ok_or("the tenant's domain alone, such as `example.eu.auth0.com`")?;
    let origin = url.origin().ascii_serialization();
    if url.as_str().strip_suffix('/') != Some(&*origin) {
        let domain = origin.split_once("://").map_or(&*origin, |(_, domain)| domain);
        return Err(format!("the tenant's domain alone, without a path: `{domain}`"));
    }
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_issuers_as_providers_write_them() {
        for text in [
            "https://id.example",
            "https://id.example/",
            "https://id.example:8443",
            "https://id.example/realms/Main",
            "https://id.example/tenant/v2.0/",
            "http://127.0.0.1:4041",
            "http://[::1]:9000/realm",
        ] {
            assert_eq!(issuer(text), Ok(text.to_owned()));
        }
    }

    #[test]
    fn refuses_issuer_that_no_metadata_match_and_names_the_canonical_form() {
        for (text, canonical) in [
            ("HTTPS://id.example", "https://id.example"),
            ("https://ID.Example/realms/Main", "https://id.example/realms/Main"),
            ("https://id.example:443", "https://id.example"),
            ("http://127.0.0.1:80/a", "http://127.0.0.1/a"),
            ("http://127.1/a", "http://127.0.0.1/a"),
            ("https:id.example", "https://id.example"),
            ("https://id.example/a/../b", "https://id.example/b"),
            ("https://id.example/./b", "https://id.example/b"),
            ("https://id.example/a b", "https://id.example/a%20b"),
            ("https://id.example\\a", "https://id.example/a"),
            ("https://id.example/?tenant=a", "https://id.example"),
            ("https://id.example/a?", "https://id.example/a"),
            ("https://id.example/a#b", "https://id.example/a"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("https://id.example/a/.well-known/openid-configuration", "https://id.example/a"),
            ("https://id.example/.well-known/openid-configuration", "https://id.example"),
        ] {
            let refused = issuer(text).unwrap_err();
            assert!(refused.starts_with(&format!("`{canonical}`: ")), "{text}: {refused}");
        }
    }

    #[test]
    fn refuses_what_is_no_address_of_one_provider() {
        for text in [
            "",
            "id.example",
            "ftp://id.example",
            "https://",
            "https://u:p@id.example",
            "https://id.example:0",
        ] {
            let refused = issuer(text).unwrap_err();
            assert!(refused.contains("an https:// address"), "{text}: {refused}");
            assert!(!refused.contains("u:p"), "{refused}");
        }
        let refused = issuer("https://login.microsoftonline.com/{tenantid}/v2.0").unwrap_err();
        assert!(refused.starts_with("the issuer of one tenant"), "{refused}");
    }

    #[test]
    fn auth0_domain_may_have_scheme_and_slash_only() {
        for text in ["t.eu.auth0.com", "https://t.eu.auth0.com/", "HTTPS://T.eu.Auth0.com"] {
            assert_eq!(auth0_issuer(text), Ok("https://t.eu.auth0.com/".to_owned()), "{text}");
        }
        for text in [
            "https://t.eu.auth0.com/authorize",
            "t.eu.auth0.com/u/login?x=y",
            "t.eu.auth0.com/?a",
            "t.eu.auth0.com#a",
        ] {
            let refused = auth0_issuer(text).unwrap_err();
            assert!(refused.ends_with("`t.eu.auth0.com`"), "{text}: {refused}");
        }
        for text in ["/", "https://", "a b", "t.eu.auth0.com:port", "me@t.eu.auth0.com"] {
            let refused = auth0_issuer(text).unwrap_err();
            assert!(refused.ends_with("`example.eu.auth0.com`"), "{text}: {refused}");
        }
    }
}
