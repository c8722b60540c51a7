//! What the provider says about itself (OpenID Connect Discovery, section 3).

use openidconnect::core::CoreJwsSigningAlgorithm as Algorithm;
use serde_json::{Map, Value};
use url::Url;

use super::{
    fault::{Fault, get_object, quoted},
    settings::web_address,
};
use crate::http::HttpClient;

/// The algorithms that the provider may sign with: public keys only, so that nobody who
/// knows the client's secret can make one.
const ALGORITHMS: [Algorithm; 10] = [
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

/// The part of the metadata that this site uses. Read liberally: providers leave out what they
/// must give, and add unknown values to lists.
#[derive(Clone, Debug)]
pub(super) struct Metadata {
    /// Verbatim.
    pub(super) issuer: String,
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: Url,
    pub(super) jwks_uri: Url,
    pub(super) userinfo_endpoint: Option<Url>,
    pub(super) end_session_endpoint: Option<Url>,
    pub(super) revocation_endpoint: Option<Url>,
    pub(super) pushed_request_endpoint: Option<Url>,
    /// Takes no other authorization requests (RFC 9126, section 5).
    pub(super) requires_pushed_requests: bool,
    /// The algorithms that are both listed and allowed here; RS256 where none is listed.
    pub(super) algorithms: Vec<Algorithm>,
    /// The same of signed userinfo; those of the ID token where none is listed.
    pub(super) userinfo_algorithms: Vec<Algorithm>,
    /// Takes the client's secret by HTTP Basic, as it does where it does not say.
    pub(super) secret_in_header: bool,
    /// Takes the client's secret in the body.
    pub(super) secret_in_body: bool,
    /// What a client with a key may sign with; empty where it is not said.
    pub(super) assertion_algorithms: Vec<String>,
    /// Knows `prompt=create` (Initiating User Registration via OpenID Connect, section 4.1).
    pub(super) prompt_create: bool,
    /// Names itself in every authorization response (RFC 9207, section 3).
    pub(super) names_itself: bool,
}

impl Metadata {
    /// Gets the discovery document of the issuer and reads it.
    pub(super) async fn fetch(http: &HttpClient, issuer: &str) -> Result<Self, Fault> {
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let who = format!("discovery at {}", quoted(&url));
        let url = web_address(&url).ok_or_else(|| Fault::Nonsense(format!("{who}: no URL")))?;
        let document = get_object(http, &who, &url).await?;
        Self::read(issuer, &document).map_err(|why| Fault::Nonsense(format!("{who}: {why}")))
    }

    /// Reads the document of the issuer that was asked for.
    fn read(expected_issuer: &str, document: &Map<String, Value>) -> Result<Self, String> {
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        let issuer = text("issuer").ok_or("it names no issuer")?.to_owned();
        if !is_same_issuer(expected_issuer, &issuer) {
            return Err(format!("it is of another issuer: {}", quoted(&issuer)));
        }
        let secure = issuer.starts_with("https:");
        let endpoint = |name: &str| match text(name) {
            None => Ok(None),
            Some(url) => match web_address(url) {
                Some(url) if secure && url.scheme() != "https" => {
                    Err(format!("{name} is not https, although the issuer is"))
                }
                Some(url) => Ok(Some(url)),
                None => Err(format!("{name} is no absolute URL: {}", quoted(url))),
            },
        };
        let required = |name: &str| endpoint(name)?.ok_or_else(|| format!("it has no {name}"));
        let list = |name: &str| document.get(name).and_then(Value::as_array);
        let lists = |name: &str, value: &str| {
            list(name).is_some_and(|all| all.iter().any(|one| one.as_str() == Some(value)))
        };
        let algorithms = list("id_token_signing_alg_values_supported")
            .map_or_else(|| vec![Algorithm::RsaSsaPkcs1V15Sha256], |all| allowed(all));
        let methods = "token_endpoint_auth_methods_supported";
        Ok(Self {
            authorization_endpoint: required("authorization_endpoint")?,
            token_endpoint: required("token_endpoint")?,
            jwks_uri: required("jwks_uri")?,
            userinfo_endpoint: endpoint("userinfo_endpoint")?,
            end_session_endpoint: endpoint("end_session_endpoint")?,
            revocation_endpoint: endpoint("revocation_endpoint")?,
            pushed_request_endpoint: endpoint("pushed_authorization_request_endpoint")?,
            requires_pushed_requests: document.get("require_pushed_authorization_requests")
                == Some(&Value::Bool(true)),
            userinfo_algorithms: list("userinfo_signing_alg_values_supported")
                .map_or_else(|| algorithms.clone(), |all| allowed(all)),
            algorithms,
            secret_in_header: list(methods).is_none() || lists(methods, "client_secret_basic"),
            secret_in_body: lists(methods, "client_secret_post"),
            assertion_algorithms: list("token_endpoint_auth_signing_alg_values_supported")
                .into_iter()
                .flatten()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect(),
            prompt_create: lists("prompt_values_supported", "create"),
            names_itself: document.get("authorization_response_iss_parameter_supported")
                == Some(&Value::Bool(true)),
            issuer,
        })
    }
}

fn allowed(listed: &[Value]) -> Vec<Algorithm> {
    let listed = listed.iter().filter_map(|name| serde_json::from_value(name.clone()).ok());
    listed.filter(|algorithm| ALGORITHMS.contains(algorithm)).collect()
}

/// The same text; of a bare host the slash at the end makes no difference, because people leave
/// it out and providers do not.
fn is_same_issuer(expected: &str, found: &str) -> bool {
    let is_bare = web_address(expected).is_some_and(|url| url.path() == "/");
    expected == found
        || is_bare
            && expected.strip_suffix('/').unwrap_or(expected)
                == found.strip_suffix('/').unwrap_or(found)
}
