//! Parses, verifies and alters JSON Web Signatures in the compact form (RFC 7515, section 7.1):
//! RS256 only.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use openidconnect::{
    JsonWebKey,
    core::{CoreJsonWebKey, CoreJwsSigningAlgorithm},
};
use serde_json::Value;

/// `object` with the members of `changes` set; null removes one.
pub(crate) fn changed(mut object: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().into_iter().flatten() {
        match (object.as_object_mut(), value.is_null()) {
            (Some(members), true) => drop(members.remove(name)),
            (Some(members), false) => drop(members.insert(name.clone(), value.clone())),
            (None, _) => {}
        }
    }
    object
}

/// The token with one bit of its signature flipped; `None` when it is no JWS.
pub(crate) fn with_invalid_signature(token: &str) -> Option<String> {
    let (input, signature) = token.rsplit_once('.')?;
    let mut signature = BASE64.decode(signature).ok()?;
    *signature.last_mut()? ^= 1;
    Some(format!("{input}.{}", BASE64.encode(signature)))
}

/// JSON in base64url.
pub(crate) fn encode(json: &Value) -> String {
    BASE64.encode(json.to_string())
}

/// A signed token that is not yet verified.
pub(crate) struct Jws<'t> {
    input: &'t str,
    signature: Vec<u8>,
    claims: Value,
    kid: Option<String>,
}

impl<'t> Jws<'t> {
    /// Parses the compact form; `None` unless the header names RS256 and nothing critical.
    pub(crate) fn parse(token: &'t str) -> Option<Self> {
        let (input, signature) = token.rsplit_once('.')?;
        let (header, claims) = input.split_once('.')?;
        let decode = |part: &str| -> Option<Value> {
            serde_json::from_slice(&BASE64.decode(part).ok()?).ok()
        };
        let header = decode(header)?;
        if header["alg"] != "RS256" || header.get("crit").is_some() {
            return None;
        }
        Some(Self {
            input,
            signature: BASE64.decode(signature).ok()?,
            claims: decode(claims)?,
            kid: header["kid"].as_str().map(Into::into),
        })
    }

    /// The header's `kid`; `None` without one.
    pub(crate) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The claims if this key signed them, else `None`.
    pub(crate) fn verify(self, key: &CoreJsonWebKey) -> Option<Value> {
        let algorithm = CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256;
        key.verify_signature(&algorithm, self.input.as_bytes(), &self.signature).ok()?;
        Some(self.claims)
    }
}
