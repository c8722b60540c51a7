//! What the userinfo endpoint adds (OpenID Connect Core, section 5.3).

use chrono::{DateTime, Utc};
use http::header;
use portico_domain::ports::RedeemError;
use serde_json::{Map, Value};
use url::Url;

use super::{
    discovery::Known,
    fault::{Fault, get, object},
    id_token::{LEEWAY, Refusal, rule},
    jws::{self, is_for, is_of, seconds},
};
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

/// What userinfo answered.
pub(super) enum Userinfo {
    /// Claims in plain JSON.
    Plain(Map<String, Value>),
    /// Claims in a signed JWT, not yet believed.
    Signed(String),
}

/// Asks userinfo (section 5.3.1).
pub(super) async fn ask(
    http: &HttpClient,
    endpoint: &Url,
    access_token: &str,
) -> Result<Userinfo, Fault> {
    let who = "userinfo";
    let request = http::Request::get(endpoint.as_str())
        .header(header::ACCEPT, "application/json, application/jwt")
        .header(header::AUTHORIZATION, format!("Bearer {access_token}"));
    let answer = get(http, who, request).await?;
    let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    if kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/jwt")) {
        let text = String::from_utf8(answer.into_body())
            .map_err(|_| Fault::Nonsense(format!("{who}: the answer is no text")))?;
        return Ok(Userinfo::Signed(text.trim().to_owned()));
    }
    object(who, &answer).map(Userinfo::Plain)
}

/// The claims of a signed answer (section 5.3.2): `iss` and `aud` may be left out, but not differ,
/// and so may a time of expiry.
pub(super) fn verify(
    token: &str,
    client_id: &str,
    known: &Known,
    now: DateTime<Utc>,
) -> Result<Map<String, Value>, Refusal> {
    let metadata = &known.metadata;
    let claims = jws::verify(token, &metadata.userinfo_algorithms, &["jwt"], &known.keys)?;
    if claims.contains_key("iss") && !is_of(&claims, &metadata.issuer) {
        return rule("it is of another issuer");
    }
    if claims.contains_key("aud") && !is_for(&claims, client_id) {
        return rule("it is meant for somebody else");
    }
    match claims.get("exp").map(seconds) {
        Some(Some(exp)) if (now - LEEWAY).timestamp() >= exp => rule("it has expired"),
        Some(None) => rule("its exp is no time"),
        _ => Ok(claims),
    }
}

/// Merges what userinfo says over the claims of the ID token; refused when it is about another
/// person, or nobody.
pub(super) fn merge(
    mut claims: Map<String, Value>,
    more: Map<String, Value>,
) -> Result<Map<String, Value>, RedeemError> {
    // Section 5.3.2: without this, userinfo of another person could be slipped in.
    if !more.get("sub").is_some_and(|sub| sub.is_string() && Some(sub) == claims.get("sub")) {
        return Err(RedeemError::InvalidIdentity("userinfo is about another person".into()));
    }
    let of_the_person = more
        .into_iter()
        .filter(|(name, value)| !value.is_null() && !OF_THE_ID_TOKEN.contains(&name.as_str()));
    claims.extend(of_the_person);
    Ok(claims)
}
