//! Logout tokens (OpenID Connect Back-Channel Logout, section 2.6).

use chrono::{DateTime, TimeDelta, Utc};
use portico_domain::model::{LogoutTarget, LogoutToken};
use serde_json::Value;

use super::{
    InvalidToken,
    claims::{text, verify_audience, verify_expiry, verify_issue_time, verify_issuer},
    jws::{self, KeyNames},
};
use crate::identity::oidc::discovery::ProviderDocuments;

/// The member of `events` that every logout token has (section 2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// Age at which a logout token is refused: a provider may try again for some minutes.
const MAX_AGE: TimeDelta = TimeDelta::minutes(10);
/// Maximum length of a token, in bytes: anybody can send one.
const MAX_BYTES: usize = 16 * 1024;

/// Verifies the token, except that it is used once.
pub(in crate::identity::oidc) fn verify(
    token: &str,
    client_id: &str,
    documents: &ProviderDocuments,
    now: DateTime<Utc>,
) -> Result<LogoutToken, InvalidToken> {
    if token.len() > MAX_BYTES {
        return InvalidToken::rule("it is too long");
    }
    let metadata = &documents.metadata;
    // Step 1: decryption. This client registers no encryption; an encrypted token is refused.
    // Step 2: the signature, as of an ID token.
    // Step 3: the algorithm, as of an ID token; never `none`.
    // Section 2.4: the type, where there is one, is that of a logout token.
    let types = ["jwt", "logout+jwt"];
    let claims = jws::verify(
        token,
        &metadata.id_token_algorithms,
        &types,
        &documents.keys,
        KeyNames::Decide,
    )?
    .claims;
    // Step 4: iss, aud, iat and exp, as of an ID token. Providers that follow a draft of the
    // specification send no exp.
    verify_issuer(&claims, &metadata.issuer)?;
    verify_audience(&claims, client_id)?;
    let issued_at = verify_issue_time(&claims, now)?;
    if issued_at < (now - MAX_AGE).timestamp() {
        return InvalidToken::rule("it was issued too long ago");
    }
    verify_expiry(&claims, now)?;
    // Step 5: sub, sid, or both.
    let target = match (text(&claims, "sid")?, text(&claims, "sub")?) {
        (Some(sid), subject) => LogoutTarget::ProviderSession {
            sid: sid.to_owned(),
            subject: subject.map(str::to_owned),
        },
        (None, Some(subject)) => LogoutTarget::User(subject.to_owned()),
        (None, None) => return InvalidToken::rule("it has neither sid nor sub"),
    };
    // Step 6: events. It has no other member: the token would be of another kind as well.
    match claims.get("events").and_then(Value::as_object) {
        Some(events) if events.len() == 1 && events.get(EVENT).is_some_and(Value::is_object) => {}
        _ => return InvalidToken::rule("it has no log-out event"),
    }
    // Step 7: no nonce, so that an ID token is never taken for a logout token.
    if claims.contains_key("nonce") {
        return InvalidToken::rule("it has a nonce, as only ID tokens have");
    }
    // Step 8: each jti is accepted once. The use case remembers it; section 2.4 requires it.
    let Some(id) = text(&claims, "jti")? else { return InvalidToken::rule("it has no jti") };
    // Steps 9 to 11 (optional): iss, sub and sid select the sessions that end, so that they match.
    Ok(LogoutToken { issuer: metadata.issuer.clone(), id: id.to_owned(), target })
}
