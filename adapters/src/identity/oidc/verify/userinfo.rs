//! Userinfo (OpenID Connect Core, sections 5.3.2 and 5.3.4).

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{
    InvalidToken,
    claims::{verify_audience, verify_expiry, verify_issuer},
    jws::{self, KeyNames},
};
use crate::identity::oidc::{discovery::ProviderDocuments, error::ProviderError};

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

/// Why userinfo is not used. The text is for the log; it holds no token.
#[derive(Debug)]
pub(in crate::identity::oidc) enum UserinfoError {
    /// It is about another user, or its signature, issuer or audience is wrong: the log-in or
    /// refresh that it belongs to is refused.
    Invalid(String),
    /// There is no answer that can be used. The ID token identifies the user without it.
    Unusable(String),
}

impl From<ProviderError> for UserinfoError {
    fn from(error: ProviderError) -> Self {
        Self::Unusable(error.to_string())
    }
}

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
    let claims =
        jws::verify(token, algorithms, &["jwt"], &documents.keys, KeyNames::Decide)?.claims;
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

/// Whether it is about this user (section 5.3.2). Otherwise an access token of another user could
/// have been substituted.
///
/// # Errors
/// [`UserinfoError::Invalid`] when it is about another user; [`UserinfoError::Unusable`] when it does not
/// say about whom.
pub(in crate::identity::oidc) fn verify_subject(
    userinfo: &Map<String, Value>,
    subject: &str,
) -> Result<(), UserinfoError> {
    match userinfo.get("sub").and_then(Value::as_str) {
        Some(found) if found == subject => Ok(()),
        Some(_) => Err(UserinfoError::Invalid("userinfo is about another user".into())),
        None => Err(UserinfoError::Unusable("userinfo: it has no sub".into())),
    }
}

/// Adds verified userinfo to the claims of the ID token.
pub(in crate::identity::oidc) fn merge(
    mut claims: Map<String, Value>,
    userinfo: Map<String, Value>,
) -> Map<String, Value> {
    claims.extend(
        userinfo
            .into_iter()
            .filter(|(name, value)| !value.is_null() && !ID_TOKEN_CLAIMS.contains(&name.as_str())),
    );
    claims
}
