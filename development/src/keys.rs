//! The provider's signing keys: RS256, made at start.

use std::sync::{Arc, PoisonError, RwLock};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use openidconnect::{
    JsonWebKey, JsonWebKeyId, PrivateSigningKey,
    core::{CoreJsonWebKey, CoreJsonWebKeySet, CoreJwsSigningAlgorithm, CoreRsaPrivateSigningKey},
};
use rsa::{
    RsaPrivateKey,
    pkcs1::{EncodeRsaPrivateKey, LineEnding},
    rand_core::OsRng,
    traits::PublicKeyParts,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::world::WorldError;

/// The first keys of this process, in the order they were made. Making one costs a noticeable
/// part of a second, and tests start many worlds.
static MADE: tokio::sync::Mutex<Vec<Arc<CoreRsaPrivateSigningKey>>> =
    tokio::sync::Mutex::const_new(Vec::new());

/// The key that signs, and the ones that signed before it.
pub(super) struct Keys(RwLock<Vec<Arc<CoreRsaPrivateSigningKey>>>);

impl Keys {
    pub(super) async fn new() -> Result<Self, WorldError> {
        Ok(Self(RwLock::new(vec![nth_key(0).await?])))
    }

    /// The newest key signs from now on.
    pub(super) async fn rotate(&self) -> Result<(), WorldError> {
        let so_far = self.0.read().unwrap_or_else(PoisonError::into_inner).len();
        let next = nth_key(so_far).await?;
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(next);
        Ok(())
    }

    /// The key that signs; `None` never happens, as there is one from the start.
    pub(super) fn current(&self) -> Option<Arc<CoreRsaPrivateSigningKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).last().cloned()
    }

    /// What the provider publishes: the current key and the one before it.
    pub(super) fn public(&self) -> CoreJsonWebKeySet {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let published = keys.iter().rev().take(2);
        CoreJsonWebKeySet::new(published.map(|key| key.as_verification_key()).collect())
    }

    /// The claims of a token that one of the published keys signed; `None` for any other.
    pub(super) fn read(&self, token: &str) -> Option<Value> {
        self.public().keys().iter().find_map(|key| Jws::parse(token)?.verified_by(key))
    }
}

async fn nth_key(n: usize) -> Result<Arc<CoreRsaPrivateSigningKey>, WorldError> {
    let mut made = MADE.lock().await;
    while made.len() <= n {
        let key = tokio::task::spawn_blocking(make_key)
            .await
            .map_err(|error| WorldError::Start(error.to_string()))?
            .map_err(WorldError::Start)?;
        made.push(Arc::new(key));
    }
    made.get(n).cloned().ok_or_else(|| WorldError::Start("no key was made".into()))
}

fn make_key() -> Result<CoreRsaPrivateSigningKey, String> {
    let key = RsaPrivateKey::new(&mut OsRng, 2048).map_err(|error| error.to_string())?;
    let pem = key.to_pkcs1_pem(LineEnding::LF).map_err(|error| error.to_string())?;
    // Named after the key itself: after a restart a cached key is never taken for the new one.
    let kid = BASE64.encode(&Sha256::digest(key.n().to_bytes_be())[..12]);
    CoreRsaPrivateSigningKey::from_pem(&pem, Some(JsonWebKeyId::new(kid)))
}

/// Signs `claims` RS256 in the compact form (RFC 7515, section 7.1). `None` when signing fails.
pub(super) fn sign(key: &CoreRsaPrivateSigningKey, typ: &str, claims: &Value) -> Option<String> {
    sign_as(key, &header(key, typ), claims)
}

/// The header that says how this key signs.
pub(super) fn header(key: &CoreRsaPrivateSigningKey, typ: &str) -> Value {
    let kid = key.as_verification_key().key_id().map(|kid| kid.to_string());
    serde_json::json!({ "alg": "RS256", "typ": typ, "kid": kid })
}

/// Signs RS256, whatever the header says.
pub(super) fn sign_as(
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
pub(super) fn changed(mut usual: Value, changes: &Value) -> Value {
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
pub(super) fn forged(token: &str) -> Option<String> {
    let (input, signature) = token.rsplit_once('.')?;
    let mut signature = BASE64.decode(signature).ok()?;
    *signature.last_mut()? ^= 1;
    Some(format!("{input}.{}", BASE64.encode(signature)))
}

pub(super) fn encode(json: &Value) -> String {
    BASE64.encode(json.to_string())
}

/// A signed token in the compact form, not yet believed.
pub(super) struct Jws<'t> {
    input: &'t str,
    signature: Vec<u8>,
    claims: Value,
    kid: Option<String>,
}

impl<'t> Jws<'t> {
    /// `None` unless it has the form of an RS256 token.
    pub(super) fn parse(token: &'t str) -> Option<Self> {
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
    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The claims, when this key signed them.
    pub(super) fn verified_by(self, key: &CoreJsonWebKey) -> Option<Value> {
        let algorithm = CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256;
        key.verify_signature(&algorithm, self.input.as_bytes(), &self.signature).ok()?;
        Some(self.claims)
    }
}
