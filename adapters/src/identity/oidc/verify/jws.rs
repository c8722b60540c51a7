//! Signed JWTs: compact JWS (RFC 7515, section 3.1) whose payload is a JSON object (RFC 7519).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use openidconnect::{JsonWebKey, core::CoreJwsSigningAlgorithm as Algorithm};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::InvalidToken;
use crate::identity::oidc::{discovery::VerificationKey, error::quoted};

/// Claims whose signature was verified.
pub(super) struct VerifiedJws<'k> {
    pub(super) claims: Map<String, Value>,
    pub(super) algorithm: Algorithm,
    pub(super) key: &'k VerificationKey,
}

/// How the header's `kid` is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyNames {
    /// It selects the key.
    Decide,
    /// It says which key to try first.
    Hint,
}

/// The parts of a compact JWS, decoded. Nothing is verified.
struct CompactJws<'t> {
    /// What the signature covers (RFC 7515, section 5.1, step 8).
    signing_input: &'t str,
    header: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'t> CompactJws<'t> {
    /// `None` for any other text, a JWE (of five parts) included.
    fn decode(token: &'t str) -> Option<Self> {
        let (signing_input, signature) = token.rsplit_once('.')?;
        let (header, payload) = signing_input.split_once('.')?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        Some(Self {
            signing_input,
            header: decode(header)?,
            payload: decode(payload)?,
            signature: decode(signature)?,
        })
    }
}

/// The parameters of the JOSE header that matter here (RFC 7515, section 4.1).
#[derive(Deserialize)]
struct JoseHeader {
    alg: Algorithm,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

/// Whether the token's `kid` is one of these keys'. True where the token names none: nothing is known
/// then. Verifies nothing.
pub(in crate::identity::oidc) fn is_key_published(token: &str, keys: &[VerificationKey]) -> bool {
    let header = CompactJws::decode(token)
        .and_then(|jws| serde_json::from_slice::<Map<String, Value>>(&jws.header).ok());
    let kid = header.as_ref().and_then(|header| header.get("kid")?.as_str());
    kid.is_none_or(|kid| keys.iter().any(|key| key.key_id().is_some_and(|id| id.as_str() == kid)))
}

/// Verifies the signature and returns the claims.
///
/// `types` are the values of `typ` that are accepted, in lower case and without `application/`; a
/// token without `typ` is accepted as well.
pub(super) fn verify<'k>(
    token: &str,
    algorithms: &[Algorithm],
    types: &[&str],
    keys: &'k [VerificationKey],
    names: KeyNames,
) -> Result<VerifiedJws<'k>, InvalidToken> {
    if token.split('.').count() == 5 {
        return InvalidToken::rule(
            "it is encrypted (JWE): register this client for signed tokens without encryption",
        );
    }
    let Some(jws) = CompactJws::decode(token) else {
        return InvalidToken::rule("it is malformed: no compact JWS");
    };
    let Ok(header) = serde_json::from_slice::<JoseHeader>(&jws.header) else {
        return InvalidToken::rule("its header is malformed");
    };
    // Before any key is tried: a token that is refused in any case must not have keys fetched.
    verify_header(&header, algorithms, types)?;
    let may_have_signed = |key: &&VerificationKey| match (&header.kid, key.key_id()) {
        (Some(wanted), Some(kid)) => kid.as_str() == wanted,
        // Without `kid` on either side, any key may be the one.
        _ => true,
    };
    let verifies = |key: &&VerificationKey| {
        key.verify_signature(&header.alg, jws.signing_input.as_bytes(), &jws.signature).is_ok()
    };
    let named = keys.iter().filter(may_have_signed).find(verifies);
    let key = match names {
        KeyNames::Decide => named,
        // After a rotation some providers name the earlier key for a while.
        KeyNames::Hint => named.or_else(|| keys.iter().find(verifies)),
    };
    let Some(key) = key else {
        let names_known_key = header.kid.is_some() && keys.iter().any(|key| may_have_signed(&key));
        return Err(match names_known_key {
            true => InvalidToken::WrongSignature,
            false => InvalidToken::UnknownKey,
        });
    };
    match serde_json::from_slice(&jws.payload) {
        Ok(claims) => Ok(VerifiedJws { claims, algorithm: header.alg, key }),
        Err(_) => InvalidToken::rule("it is malformed: its claims are no JSON object"),
    }
}

/// The claims of a signed JWT whose signature need not be verified. `None` for any other text.
pub(in crate::identity::oidc) fn unverified_claims(token: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&CompactJws::decode(token)?.payload).ok()
}

fn verify_header(
    header: &JoseHeader,
    algorithms: &[Algorithm],
    types: &[&str],
) -> Result<(), InvalidToken> {
    if !algorithms.contains(&header.alg) {
        let name = |algorithm: &Algorithm| match serde_json::to_value(algorithm) {
            Ok(Value::String(name)) => name,
            _ => "another".into(),
        };
        let expected: Vec<_> = algorithms.iter().map(name).collect();
        return InvalidToken::rule(format!(
            "it is signed with {}, expected {}; for ID tokens and logout tokens see \
             OIDC_ID_TOKEN_SIGNED_RESPONSE_ALG",
            name(&header.alg),
            expected.join(" or ")
        ));
    }
    if header.crit.is_some() {
        // RFC 7515, section 4.1.11.
        return InvalidToken::rule("it has critical header parameters that are not supported");
    }
    // A media type, with or without its first half (RFC 7515, section 4.1.9).
    let typ = header.typ.as_deref().map(str::to_ascii_lowercase);
    let typ = typ.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ));
    match typ {
        Some(other) if !types.contains(&other) => {
            InvalidToken::rule(format!("it is of another type: {}", quoted(other)))
        }
        _ => Ok(()),
    }
}
