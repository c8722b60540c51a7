//! Access tokens that are JWTs of the provider (RFC 9068). They are meant for an API, so that nothing
//! requires them to be readable here.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{
    InvalidToken,
    claims::{verify_expiry, verify_issuer},
    jws::{self, KeyNames},
};
use crate::identity::oidc::discovery::{ALLOWED_ALGORITHMS, ProviderDocuments};

/// The claims of the token. The audience is the API's, and not verified: the token came from the
/// token endpoint with the ID token.
pub(in crate::identity::oidc) fn verify(
    token: &str,
    documents: &ProviderDocuments,
    now: DateTime<Utc>,
) -> Result<Map<String, Value>, InvalidToken> {
    // RFC 9068, section 4: the type, which many providers leave at `JWT`.
    let types = ["at+jwt", "jwt"];
    let keys = &documents.keys;
    let claims = jws::verify(token, &ALLOWED_ALGORITHMS, &types, keys, KeyNames::Hint)?.claims;
    verify_issuer(&claims, &documents.metadata.issuer)?;
    verify_expiry(&claims, now)?;
    Ok(claims)
}
