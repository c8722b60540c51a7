//! What the userinfo endpoint adds (OpenID Connect Core, section 5.3).

use portico_domain::ports::RedeemError;
use serde_json::{Map, Value};
use url::Url;

use super::fault::get_object;
use crate::http::HttpClient;

/// Claims about the token or the login, not the person: only the signed ID token tells them.
const OF_THE_ID_TOKEN: [&str; 15] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "nbf",
    "jti",
    "nonce",
    "azp",
    "at_hash",
    "c_hash",
    "auth_time",
    "acr",
    "amr",
    "sid",
];

/// Asks userinfo, and merges its claims over those of the ID token.
///
/// An answer that is refused, unreadable or signed (`application/jwt`) is a `ProviderFault`; one
/// about another person, or nobody, is `NotBelieved`.
pub(super) async fn add(
    http: &HttpClient,
    endpoint: &Url,
    access_token: &str,
    mut claims: Map<String, Value>,
) -> Result<Map<String, Value>, RedeemError> {
    let more = get_object(http, "userinfo", endpoint, Some(access_token)).await?;
    // Section 5.3.2: without this, userinfo of another person could be slipped in.
    if !more.get("sub").is_some_and(|sub| sub.is_string() && Some(sub) == claims.get("sub")) {
        return Err(RedeemError::NotBelieved("userinfo is about another person".into()));
    }
    let of_the_person = more
        .into_iter()
        .filter(|(name, value)| !value.is_null() && !OF_THE_ID_TOKEN.contains(&name.as_str()));
    claims.extend(of_the_person);
    Ok(claims)
}
