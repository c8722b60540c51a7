//! Signed claims that are no ID token (RFC 7515, RFC 7519): logout tokens and userinfo.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use openidconnect::{JsonWebKey, core::CoreJwsSigningAlgorithm as Algorithm};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    fault::quoted,
    id_token::{Refusal, rule},
    keys::Key,
};

#[derive(Deserialize)]
struct Header {
    alg: Algorithm,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

/// The claims, which one of the keys signed. The signature comes first: nothing that the token
/// claims is looked at before.
///
/// `types` are the values of `typ`, in lower case and without `application/`, that it may have;
/// it may also have none.
pub(super) fn verify(
    token: &str,
    algorithms: &[Algorithm],
    types: &[&str],
    keys: &[Key],
) -> Result<Map<String, Value>, Refusal> {
    let Some((signed, signature)) = token.rsplit_once('.') else { return rule("it is no JWS") };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let (Some((header, claims)), Some(signature)) = (signed.split_once('.'), decode(signature))
    else {
        return rule("it is no JWS");
    };
    let header: Header = match decode(header).and_then(|it| serde_json::from_slice(&it).ok()) {
        Some(header) => header,
        None => return rule("its header is not understood"),
    };
    check(&header, algorithms, types)?;
    let fits = |key: &&Key| match (&header.kid, key.key_id()) {
        (Some(wanted), Some(kid)) => kid.as_str() == wanted,
        // A key without a name may be any, and so may that of a token without one.
        _ => true,
    };
    let verified = keys
        .iter()
        .filter(fits)
        .any(|key| key.verify_signature(&header.alg, signed.as_bytes(), &signature).is_ok());
    if !verified {
        return Err(Refusal::Key);
    }
    match decode(claims).and_then(|claims| serde_json::from_slice(&claims).ok()) {
        Some(claims) => Ok(claims),
        None => rule("its claims are no JSON object"),
    }
}

fn check(header: &Header, algorithms: &[Algorithm], types: &[&str]) -> Result<(), Refusal> {
    if !algorithms.contains(&header.alg) {
        return rule(format!("the algorithm {:?} is not allowed", header.alg));
    }
    if header.crit.is_some() {
        // RFC 7515, section 4.1.11.
        return rule("it has critical headers that are not understood");
    }
    // A media type, with or without its first half (RFC 7515, section 4.1.9).
    let typ = header.typ.as_deref().map(str::to_ascii_lowercase);
    let typ = typ.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ));
    match typ {
        Some(other) if !types.contains(&other) => {
            rule(format!("it is of another type: {}", quoted(other)))
        }
        _ => Ok(()),
    }
}

/// The issuer's own, where it says so (RFC 7519, section 4.1.1).
pub(super) fn is_of(claims: &Map<String, Value>, issuer: &str) -> bool {
    claims.get("iss").and_then(Value::as_str) == Some(issuer)
}

/// Meant for this client, perhaps among others (RFC 7519, section 4.1.3).
pub(super) fn is_for(claims: &Map<String, Value>, client_id: &str) -> bool {
    let is_ours = |audience: &Value| audience.as_str() == Some(client_id);
    match claims.get("aud") {
        Some(Value::Array(all)) => all.iter().any(is_ours),
        Some(one) => is_ours(one),
        None => false,
    }
}

/// Seconds since the epoch, which may have a fraction (RFC 7519, section 2).
pub(super) fn seconds(value: &Value) -> Option<i64> {
    #[allow(clippy::cast_possible_truncation, reason = "a float becomes the nearest integer")]
    value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
}
