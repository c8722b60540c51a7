//! The identity provider.

use std::path::Path;

use portico_adapters::identity::{
    ClientSecret,
    oidc::{ClientAuthMethod, ClientKey, Registration, ResponseMode, Vendor},
};
use url::{Host, Url};

use super::{
    issuer::{self, auth0_issuer},
    reader::Reader,
    web_address,
};

/// Where users log in.
#[derive(Clone, Debug)]
pub enum Provider {
    /// At the provider of the `AUTH0_…` or `OIDC_…` settings.
    Registered(Box<Registration>),
    /// At the development provider: neither family is set.
    Development,
}

/// The provider and the audience; `None` where a problem was noted.
pub(super) fn read(read: &mut Reader, debug_profile: bool) -> (Option<Provider>, Option<String>) {
    let auth0 = ["AUTH0_DOMAIN", "AUTH0_CLIENT_ID", "AUTH0_CLIENT_SECRET"];
    let oidc = [
        "OIDC_ISSUER_URL",
        "OIDC_DISCOVERY_URL",
        "OIDC_CLIENT_ID",
        "OIDC_CLIENT_SECRET",
        "OIDC_CLIENT_KEY_FILE",
    ];
    let has = |read: &Reader, keys: &[&str]| keys.iter().any(|key| read.text(key).is_some());
    let (has_auth0, has_oidc) = (has(read, &auth0), has(read, &oidc));
    let auth0_audience = read.text("AUTH0_AUDIENCE");
    let oidc_audience = read.text("OIDC_AUDIENCE");
    match (has_auth0, has_oidc) {
        (true, true) => {
            read.missing("AUTH0_DOMAIN", "either the AUTH0_ settings or the OIDC_ ones, not both");
            (None, None)
        }
        (true, false) => {
            let issuer = issuer(
                read,
                "AUTH0_DOMAIN",
                "the tenant's domain, such as example.eu.auth0.com",
                |text| auth0_issuer(text).and_then(|issuer| safe(issuer, debug_profile)),
            );
            let client_id =
                read.required("AUTH0_CLIENT_ID", "the application's client id", some_text);
            let secret =
                read.required("AUTH0_CLIENT_SECRET", "the application's client secret", some_text);
            let provider =
                issuer.zip(client_id).zip(secret).map(|((issuer, client_id), secret)| {
                    Provider::Registered(Box::new(Registration {
                        vendor: Vendor::Auth0,
                        issuer,
                        discovery_url: None,
                        client_id,
                        client_secret: Some(ClientSecret::new(secret)),
                        client_key: None,
                        client_auth_method: None,
                    }))
                });
            (provider, auth0_audience)
        }
        (false, true) => {
            let issuer = issuer(
                read,
                "OIDC_ISSUER_URL",
                "the provider's issuer: an https:// address, or http:// on loopback",
                |text| issuer::issuer(text).and_then(|issuer| safe(issuer, debug_profile)),
            );
            let discovery_url = read.parsed(
                "OIDC_DISCOVERY_URL",
                "the https:// or http:// address of the provider's metadata, with \
                 /.well-known/openid-configuration",
                |text| web_address(text).filter(|url| url.fragment().is_none()),
            );
            let client_id =
                read.required("OIDC_CLIENT_ID", "the client id at the provider", some_text);
            let client_secret = read.text("OIDC_CLIENT_SECRET").map(ClientSecret::new);
            let client_key = client_key(read, client_secret.is_some());
            let client_auth_method =
                client_auth_method(read, client_secret.is_some(), client_key.is_some());
            let provider = issuer.zip(client_id).map(|(issuer, client_id)| {
                Provider::Registered(Box::new(Registration {
                    vendor: Vendor::Any,
                    issuer,
                    discovery_url,
                    client_id,
                    client_secret,
                    client_key,
                    client_auth_method,
                }))
            });
            (provider, oidc_audience)
        }
        (false, false) if debug_profile && cfg!(feature = "development") => {
            (Some(Provider::Development), auth0_audience.or(oidc_audience))
        }
        (false, false) => {
            read.missing(
                "AUTH0_DOMAIN",
                "an identity provider: AUTH0_DOMAIN, AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET, or \
                 OIDC_ISSUER_URL, OIDC_CLIENT_ID and OIDC_CLIENT_SECRET; the development provider \
                 runs in the debug profile only",
            );
            (None, None)
        }
    }
}

/// A secret in addition would be unused.
fn client_key(read: &mut Reader, has_secret: bool) -> Option<ClientKey> {
    let expected = "either this or OIDC_CLIENT_SECRET: a PEM file with the client's private key, \
                    RSA of 2048 to 4096 bits, or P-256, P-384 or Ed25519 in PKCS#8";
    let key = read.parsed("OIDC_CLIENT_KEY_FILE", expected, |text| {
        ClientKey::from_file(Path::new(text)).ok().filter(|_| !has_secret)
    })?;
    let key = key.with_id(read.text("OIDC_CLIENT_KEY_ID"));
    if read.text("OIDC_CLIENT_KEY_ALG").is_none() {
        return Some(key);
    }
    let expected = "an algorithm of the key in OIDC_CLIENT_KEY_FILE: RS256, RS384, RS512, PS256, \
                    PS384 or PS512 for RSA, ES256 for P-256, ES384 for P-384, EdDSA for Ed25519";
    read.parsed("OIDC_CLIENT_KEY_ALG", expected, |text| key.with_algorithm(text))
}

/// A method whose credential is missing would fail at each log-in.
fn client_auth_method(
    read: &mut Reader,
    has_secret: bool,
    has_key: bool,
) -> Option<ClientAuthMethod> {
    let expected = "client_secret_basic or client_secret_post with OIDC_CLIENT_SECRET, \
                    private_key_jwt with OIDC_CLIENT_KEY_FILE, or none";
    read.parsed("OIDC_CLIENT_AUTH_METHOD", expected, |text| match text {
        "client_secret_basic" if has_secret => Some(ClientAuthMethod::ClientSecretBasic),
        "client_secret_post" if has_secret => Some(ClientAuthMethod::ClientSecretPost),
        "private_key_jwt" if has_key => Some(ClientAuthMethod::PrivateKeyJwt),
        "none" => Some(ClientAuthMethod::None),
        _ => None,
    })
}

/// A form that another site posts brings cookies along only when they are `SameSite=None`, which
/// browsers take over https only. On loopback the providers of development are the same site.
pub(super) fn response_mode(read: &mut Reader, public_url: Option<&Url>) -> ResponseMode {
    let works = public_url.is_none_or(|url| url.scheme() == "https" || is_loopback(url));
    let expected = "query, or form_post where PUBLIC_URL is https:// or on loopback";
    read.parsed("OIDC_RESPONSE_MODE", expected, |text| match text {
        "query" => Some(ResponseMode::Query),
        "form_post" if works => Some(ResponseMode::FormPost),
        _ => None,
    })
    .unwrap_or_default()
}

fn some_text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// The issuer that a setting names. `parse` says what is expected where the text names none.
fn issuer(
    read: &mut Reader,
    key: &str,
    expected: &str,
    parse: impl FnOnce(&str) -> Result<String, String>,
) -> Option<String> {
    let Some(text) = read.text(key) else {
        read.missing(key, expected);
        return None;
    };
    parse(&text).map_err(|expected| read.refuse(key, &expected)).ok()
}

/// Tokens travel to the issuer: outside of the `debug` profile over TLS or not at all.
fn safe(issuer: String, debug_profile: bool) -> Result<String, String> {
    let is_safe = |url: &Url| url.scheme() == "https" || debug_profile || is_loopback(url);
    match Url::parse(&issuer) {
        Ok(url) if is_safe(&url) => Ok(issuer),
        _ => Err("an https:// address, or http:// on loopback".into()),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
