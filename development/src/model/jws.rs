//! JSON Web Signatures in the compact form (RFC 7515, section 7.1): RS256 only.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use openidconnect::{
    JsonWebKey, PrivateSigningKey,
    core::{CoreJsonWebKey, CoreJwsSigningAlgorithm, CoreRsaPrivateSigningKey},
};
use serde_json::Value;

/// Signs `claims` RS256 in the compact form (RFC 7515, section 7.1). `None` when signing fails.
pub(crate) fn sign(key: &CoreRsaPrivateSigningKey, typ: &str, claims: &Value) -> Option<String> {
    sign_as(key, &header(key, typ), claims)
}

/// The header that says how this key signs.
pub(crate) fn header(key: &CoreRsaPrivateSigningKey, typ: &str) -> Value {
    let kid = key.as_verification_key().key_id().map(|kid| kid.to_string());
    serde_json::json!({ "alg": "RS256", "typ": typ, "kid": kid })
}

/// Signs RS256, whatever the header says.
pub(crate) fn sign_as(
    key: &CoreRsaPrivateSigningKey,
    header: &Value,
    claims: &Value,
) -> Option<String> {
    let input = format!("{}.{}", encode(header), encode(claims));
    let algorithm = CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256;
    let signature = key.sign(&algorithm, input.as_bytes()).ok()?;
    Some(format!("{input}.{}", BASE64.encode(signature)))
}

/// The object with these members changed; null takes one away.
pub(crate) fn changed(mut usual: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().into_iter().flatten() {
        match (usual.as_object_mut(), value.is_null()) {
            (Some(usual), true) => drop(usual.remove(name)),
            (Some(usual), false) => drop(usual.insert(name.clone(), value.clone())),
            (None, _) => {}
        }
    }
    usual
}

/// The same token with one bit of its signature flipped; `None` when it is none.
pub(crate) fn forged(token: &str) -> Option<String> {
    let (input, signature) = token.rsplit_once('.')?;
    let mut signature = BASE64.decode(signature).ok()?;
    *signature.last_mut()? ^= 1;
    Some(format!("{input}.{}", BASE64.encode(signature)))
}

pub(crate) fn encode(json: &Value) -> String {
    BASE64.encode(json.to_string())
}

/// A signed token in the compact form, not yet believed.
pub(crate) struct Jws<'t> {
    input: &'t str,
    signature: Vec<u8>,
    claims: Value,
    kid: Option<String>,
}

impl<'t> Jws<'t> {
    /// `None` unless it has the form of an RS256 token.
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

    /// The `kid` of its header.
    pub(crate) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The claims, when this key signed them.
    pub(crate) fn verified_by(self, key: &CoreJsonWebKey) -> Option<Value> {
        let algorithm = CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256;
        key.verify_signature(&algorithm, self.input.as_bytes(), &self.signature).ok()?;
        Some(self.claims)
    }
}
