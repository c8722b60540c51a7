//! The provider's signing keys (RS256).

use std::sync::{Arc, PoisonError, RwLock};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use openidconnect::core::CoreJsonWebKeySet;
use rsa::{RsaPrivateKey, rand_core::OsRng, traits::PublicKeyParts};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{jws::Jws, signing_key::SigningKey};
use crate::error::StartError;

/// The keys of this process, shared by all providers in it: generating one takes a noticeable part
/// of a second, and tests start many providers.
static GENERATED: tokio::sync::Mutex<Vec<Arc<SigningKey>>> =
    tokio::sync::Mutex::const_new(Vec::new());

/// The current key, which is the last, and earlier ones.
pub(crate) struct SigningKeys(RwLock<Vec<Arc<SigningKey>>>);

impl SigningKeys {
    pub(crate) async fn new() -> Result<Self, StartError> {
        Ok(Self(RwLock::new(vec![nth_key(0).await?])))
    }

    /// Signs with a new key from now on.
    ///
    /// # Errors
    /// [`StartError::Failed`] when the key cannot be generated.
    pub(crate) async fn rotate(&self) -> Result<(), StartError> {
        let so_far = self.0.read().unwrap_or_else(PoisonError::into_inner).len();
        let next = nth_key(so_far).await?;
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(next);
        Ok(())
    }

    /// The current key. There always is one.
    pub(crate) fn current(&self) -> Option<Arc<SigningKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).last().cloned()
    }

    /// The published key set: the current key and the previous one.
    pub(crate) fn public(&self) -> CoreJsonWebKeySet {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let published = keys.iter().rev().take(2);
        CoreJsonWebKeySet::new(
            published.filter_map(|key| serde_json::from_value(key.public_jwk()).ok()).collect(),
        )
    }

    /// The claims of a token signed with a published key; `None` for any other.
    pub(crate) fn read(&self, token: &str) -> Option<Value> {
        self.public().keys().iter().find_map(|key| Jws::parse(token)?.verify(key))
    }
}

async fn nth_key(n: usize) -> Result<Arc<SigningKey>, StartError> {
    let mut keys = GENERATED.lock().await;
    while keys.len() <= n {
        let key = tokio::task::spawn_blocking(generate_key)
            .await
            .map_err(|error| StartError::Failed(error.to_string()))?
            .map_err(StartError::Failed)?;
        keys.push(Arc::new(key));
    }
    keys.get(n).cloned().ok_or_else(|| StartError::Failed("no key was generated".into()))
}

fn generate_key() -> Result<SigningKey, String> {
    let key = RsaPrivateKey::new(&mut OsRng, 2048).map_err(|error| error.to_string())?;
    // Derived from the key, so that a client that cached a key under this id does not use it after
    // a restart.
    let kid = BASE64.encode(&Sha256::digest(key.n().to_bytes_be())[..12]);
    SigningKey::from_rsa(&key, "RS256", Some(&kid)).map_err(|error| error.to_string())
}
