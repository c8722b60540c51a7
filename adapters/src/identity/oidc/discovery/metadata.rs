//! The provider's metadata (OpenID Connect Discovery, section 3).

use http::{StatusCode, header};
use openidconnect::core::CoreJwsSigningAlgorithm as Algorithm;
use serde_json::{Map, Value};
use url::Url;

use crate::{
    http::HttpClient,
    identity::oidc::{
        error::{ProviderError, describe, get_any, json_object, quoted, request_for_json},
        settings::{OidcSettings, http_url},
    },
};

/// The algorithms that are accepted in signatures, if the provider lists them: asymmetric ones
/// only, so that the client's secret signs nothing.
pub(in crate::identity::oidc) const ALLOWED_ALGORITHMS: [Algorithm; 10] = [
    Algorithm::RsaSsaPkcs1V15Sha256,
    Algorithm::RsaSsaPkcs1V15Sha384,
    Algorithm::RsaSsaPkcs1V15Sha512,
    Algorithm::RsaSsaPssSha256,
    Algorithm::RsaSsaPssSha384,
    Algorithm::RsaSsaPssSha512,
    Algorithm::EcdsaP256Sha256,
    Algorithm::EcdsaP384Sha384,
    Algorithm::EcdsaP521Sha512,
    Algorithm::EdDsa,
];

/// The endpoints that this site requests itself.
const INNER_ENDPOINTS: [&str; 5] = [
    "token_endpoint",
    "jwks_uri",
    "userinfo_endpoint",
    "revocation_endpoint",
    "pushed_authorization_request_endpoint",
];

/// An asymmetric signature algorithm (RFC 7518, section 3.1; RFC 8037).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningAlgorithm(Algorithm);

impl SigningAlgorithm {
    /// By its registered name, such as `RS256`. `None` for an unknown or symmetric one.
    pub fn parse(name: &str) -> Option<Self> {
        allowed(&[name.into()]).into_iter().next().map(Self)
    }
}

/// The metadata that this site uses. Optional ones that are missing, and list entries that are
/// unknown, are no error. A malformed optional endpoint counts as absent.
#[derive(Clone, Debug)]
pub(in crate::identity::oidc) struct Metadata {
    /// Verbatim.
    pub(in crate::identity::oidc) issuer: String,
    pub(in crate::identity::oidc) authorization_endpoint: Url,
    pub(in crate::identity::oidc) token_endpoint: Url,
    pub(in crate::identity::oidc) jwks_uri: Url,
    pub(in crate::identity::oidc) userinfo_endpoint: Option<Url>,
    pub(in crate::identity::oidc) end_session_endpoint: Option<Url>,
    pub(in crate::identity::oidc) revocation_endpoint: Option<Url>,
    pub(in crate::identity::oidc) pushed_request_endpoint: Option<Url>,
    /// The provider accepts pushed authorization requests only (RFC 9126, section 5).
    pub(in crate::identity::oidc) requires_pushed_requests: bool,
    /// Of ID tokens and logout tokens: the one that is set; else RS256, the default of a registration,
    /// where it or nothing is listed; else those that are listed and allowed.
    pub(in crate::identity::oidc) id_token_algorithms: Vec<Algorithm>,
    /// Whether the provider lists one of them.
    pub(in crate::identity::oidc) lists_id_token_algorithms: bool,
    /// Of signed userinfo; those of the ID token where none is listed.
    pub(in crate::identity::oidc) userinfo_algorithms: Vec<Algorithm>,
    /// `client_secret_basic`, the default where no method is listed.
    pub(in crate::identity::oidc) supports_client_secret_basic: bool,
    /// `client_secret_post`.
    pub(in crate::identity::oidc) supports_client_secret_post: bool,
    /// The algorithms of `private_key_jwt`; empty where none is listed.
    pub(in crate::identity::oidc) client_assertion_algorithms: Vec<String>,
    /// `prompt=create` (Initiating User Registration via OpenID Connect, section 4.1).
    pub(in crate::identity::oidc) supports_prompt_create: bool,
    /// `prompt=select_account`: listed, or no value is.
    pub(in crate::identity::oidc) supports_select_account: bool,
    /// Every authorization response has the parameter `iss` (RFC 9207, section 3).
    pub(in crate::identity::oidc) sends_issuer: bool,
    /// What is wrong with optional metadata, which therefore count as absent; for the log.
    pub(super) malformed: Vec<String>,
}

impl Metadata {
    /// Fetches the metadata of the issuer (section 4), from the address that the settings name.
    pub(super) async fn fetch(
        http: &HttpClient,
        settings: &OidcSettings,
    ) -> Result<Self, ProviderError> {
        let url = settings.metadata_url();
        let endpoint = format!("discovery at {}", quoted(&url));
        let url = http_url(&url).ok_or_else(|| ProviderError::invalid(&endpoint, "no URL"))?;
        let misconfigured = |cause: String| {
            let settings = settings.registration.issuer_settings();
            ProviderError::Misconfigured(format!("{endpoint}: {cause}; check {settings}"))
        };
        let response = get_any(http, &endpoint, request_for_json(&url)).await?;
        let status = response.status();
        if status.is_redirection() || [StatusCode::NOT_FOUND, StatusCode::GONE].contains(&status) {
            let target = response.headers().get(header::LOCATION);
            let target = target.map(|url| quoted(&String::from_utf8_lossy(url.as_bytes())));
            let target = target.map(|url| format!(", Location {url}")).unwrap_or_default();
            return Err(misconfigured(describe(&response, &str::to_owned) + &target));
        }
        let document = json_object(&endpoint, &response)?;
        // Another service, or a page about maintenance: that may pass.
        let Some(issuer) = document.get("issuer").and_then(Value::as_str) else {
            return Err(ProviderError::invalid(&endpoint, "it has no issuer"));
        };
        Self::parse(settings, issuer, &document).map_err(misconfigured)
    }

    fn parse(
        settings: &OidcSettings,
        issuer: &str,
        document: &Map<String, Value>,
    ) -> Result<Self, String> {
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        if !is_same_issuer(&settings.registration.issuer, issuer) {
            // Microsoft Entra ID.
            let advice = match issuer.contains("{tenantid}") {
                true => ", which stands for all tenants: name one tenant",
                false => "",
            };
            return Err(format!("it names another issuer: {}{advice}", quoted(issuer)));
        }
        let issuer = issuer.to_owned();
        let secure = issuer.starts_with("https:");
        // Requests of this site may go to the provider's inner address, those of browsers may not.
        let may_be_inner = |name: &str| INNER_ENDPOINTS.contains(&name);
        let is_inner = |url: &Url| {
            settings
                .registration
                .discovery_url
                .as_ref()
                .is_some_and(|inner| inner.origin() == url.origin())
        };
        let endpoint = |name: &str| match text(name) {
            None => Ok(None),
            Some(url) => match http_url(url) {
                Some(url)
                    if secure
                        && url.scheme() != "https"
                        && !(may_be_inner(name) && is_inner(&url)) =>
                {
                    Err(format!("{name} is not https although the issuer is"))
                }
                Some(url) => Ok(Some(url)),
                None => Err(format!("{name} is no absolute URL: {}", quoted(url))),
            },
        };
        let required = |name: &str| endpoint(name)?.ok_or_else(|| format!("it has no {name}"));
        let mut malformed = Vec::new();
        let mut optional = |name: &str| match endpoint(name) {
            Ok(url) => url,
            Err(cause) => {
                malformed.push(cause);
                None
            }
        };
        let list = |name: &str| document.get(name).and_then(Value::as_array);
        let lists = |name: &str, value: &str| {
            list(name).is_some_and(|all| all.iter().any(|one| one.as_str() == Some(value)))
        };
        let rs256 = Algorithm::RsaSsaPkcs1V15Sha256;
        let listed = list("id_token_signing_alg_values_supported")
            .map_or_else(|| vec![rs256.clone()], |all| allowed(all));
        let id_token_algorithms = match &settings.id_token_algorithm {
            Some(SigningAlgorithm(set)) => vec![set.clone()],
            None if listed.contains(&rs256) => vec![rs256],
            None => listed.clone(),
        };
        let methods = "token_endpoint_auth_methods_supported";
        Ok(Self {
            authorization_endpoint: required("authorization_endpoint")?,
            token_endpoint: required("token_endpoint")?,
            jwks_uri: required("jwks_uri")?,
            userinfo_endpoint: optional("userinfo_endpoint"),
            end_session_endpoint: optional("end_session_endpoint"),
            revocation_endpoint: optional("revocation_endpoint"),
            pushed_request_endpoint: optional("pushed_authorization_request_endpoint"),
            requires_pushed_requests: document.get("require_pushed_authorization_requests")
                == Some(&Value::Bool(true)),
            lists_id_token_algorithms: id_token_algorithms.iter().any(|one| listed.contains(one)),
            userinfo_algorithms: list("userinfo_signing_alg_values_supported")
                .map_or(listed, |all| allowed(all)),
            id_token_algorithms,
            supports_client_secret_basic: list(methods).is_none()
                || lists(methods, "client_secret_basic"),
            supports_client_secret_post: lists(methods, "client_secret_post"),
            client_assertion_algorithms: list("token_endpoint_auth_signing_alg_values_supported")
                .into_iter()
                .flatten()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect(),
            supports_select_account: list("prompt_values_supported").is_none()
                || lists("prompt_values_supported", "select_account"),
            supports_prompt_create: lists("prompt_values_supported", "create"),
            sends_issuer: document.get("authorization_response_iss_parameter_supported")
                == Some(&Value::Bool(true)),
            issuer,
            malformed,
        })
    }
}

fn allowed(listed: &[Value]) -> Vec<Algorithm> {
    let listed = listed.iter().filter_map(|name| serde_json::from_value(name.clone()).ok());
    listed.filter(|algorithm| ALLOWED_ALGORITHMS.contains(algorithm)).collect()
}

/// Compares verbatim, except that the slash at the end of a bare host makes no difference: users
/// leave it out of the setting, providers do not.
fn is_same_issuer(expected: &str, found: &str) -> bool {
    let is_bare = http_url(expected).is_some_and(|url| url.path() == "/");
    expected == found
        || is_bare
            && expected.strip_suffix('/').unwrap_or(expected)
                == found.strip_suffix('/').unwrap_or(found)
}
