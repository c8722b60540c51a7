//! Userinfo (OpenID Connect Core, sections 5.3.2 and 5.3.4).

use chrono::{DateTime, Utc};
use portico_domain::ports::RedeemError;
use serde_json::{Map, Value};

use super::{
    InvalidToken,
    claims::{verify_audience, verify_expiry, verify_issuer},
    jws,
};
use crate::identity::oidc::discovery::ProviderDocuments;

/// Claims about the token or the log-in, not the user: they come from the ID token only.
const ID_TOKEN_CLAIMS: [&str; 15] = [
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

/// The claims of a signed answer.
pub(in crate::identity::oidc) fn verify(
    token: &str,
    client_id: &str,
    documents: &ProviderDocuments,
    now: DateTime<Utc>,
) -> Result<Map<String, Value>, InvalidToken> {
    let metadata = &documents.metadata;
    // Section 5.3.4, step 1: the TLS certificate. The HTTP client verifies it.
    // Step 2: decryption. This client registers no encryption; an encrypted answer is refused.
    // Step 3: the signature.
    let algorithms = &metadata.userinfo_algorithms;
    let claims = jws::verify(token, algorithms, &["jwt"], &documents.keys)?.claims;
    // Section 5.3.2: iss and aud. Some providers leave them out; the answer came over TLS.
    if claims.contains_key("iss") {
        verify_issuer(&claims, &metadata.issuer)?;
    }
    if claims.contains_key("aud") {
        verify_audience(&claims, client_id)?;
    }
    // RFC 7519, section 4.1.4: exp, where present.
    verify_expiry(&claims, now)?;
    Ok(claims)
}

/// Adds userinfo to the claims of the ID token.
///
/// # Errors
/// [`RedeemError::InvalidIdentity`] when it is about another user, or does not say about whom.
pub(in crate::identity::oidc) fn merge(
    mut claims: Map<String, Value>,
    userinfo: Map<String, Value>,
) -> Result<Map<String, Value>, RedeemError> {
    // Section 5.3.2: sub is there and is that of the ID token. Otherwise an access token of another
    // user could have been substituted.
    let subject = userinfo.get("sub").and_then(Value::as_str);
    if subject.is_none() || subject != claims.get("sub").and_then(Value::as_str) {
        return Err(RedeemError::InvalidIdentity("userinfo is about another user".into()));
    }
    claims.extend(
        userinfo
            .into_iter()
            .filter(|(name, value)| !value.is_null() && !ID_TOKEN_CLAIMS.contains(&name.as_str())),
    );
    Ok(claims)
}
