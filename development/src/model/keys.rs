//! The provider's signing keys: RS256, made at start.

use std::sync::{Arc, PoisonError, RwLock};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use openidconnect::{
    JsonWebKeyId, PrivateSigningKey,
    core::{CoreJsonWebKeySet, CoreRsaPrivateSigningKey},
};
use rsa::{
    RsaPrivateKey,
    pkcs1::{EncodeRsaPrivateKey, LineEnding},
    rand_core::OsRng,
    traits::PublicKeyParts,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::jws::Jws;
use crate::error::WorldError;

/// The first keys of this process, in the order they were made. Making one costs a noticeable
/// part of a second, and tests start many worlds.
static MADE: tokio::sync::Mutex<Vec<Arc<CoreRsaPrivateSigningKey>>> =
    tokio::sync::Mutex::const_new(Vec::new());

/// The key that signs, and the ones that signed before it.
pub(crate) struct SigningKeys(RwLock<Vec<Arc<CoreRsaPrivateSigningKey>>>);

impl SigningKeys {
    pub(crate) async fn new() -> Result<Self, WorldError> {
        Ok(Self(RwLock::new(vec![nth_key(0).await?])))
    }

    /// The newest key signs from now on.
    pub(crate) async fn rotate(&self) -> Result<(), WorldError> {
        let so_far = self.0.read().unwrap_or_else(PoisonError::into_inner).len();
        let next = nth_key(so_far).await?;
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(next);
        Ok(())
    }

    /// The key that signs; `None` never happens, as there is one from the start.
    pub(crate) fn current(&self) -> Option<Arc<CoreRsaPrivateSigningKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).last().cloned()
    }

    /// What the provider publishes: the current key and the one before it.
    pub(crate) fn public(&self) -> CoreJsonWebKeySet {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let published = keys.iter().rev().take(2);
        CoreJsonWebKeySet::new(published.map(|key| key.as_verification_key()).collect())
    }

    /// The claims of a token that one of the published keys signed; `None` for any other.
    pub(crate) fn read(&self, token: &str) -> Option<Value> {
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
