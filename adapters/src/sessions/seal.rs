use std::sync::Arc;

use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use portico_domain::{
    model::Session,
    ports::{Randomness, SessionsUnavailable},
};
use sha2::Sha256;

use super::{SiteKeys, hash::Hash, unavailable};

/// The key is for this alone: another label, another key (RFC 5869, section 3.2).
const LABEL: &[u8] = b"portico: sessions kept by the site, AES-256-GCM";

const NONCE: usize = 12;

/// Changes whenever the session's fields do: postcard does not describe what it wrote.
const VERSION: u8 = 1;

/// Seals sessions for a store that need not be trusted (NIST SP 800-38D). Random nonces of 96 bits
/// are good for 2^32 writings of one key.
pub(super) struct Seal {
    keys: Vec<Aes256Gcm>,
    randomness: Arc<dyn Randomness>,
}

/// A session out of its seal.
pub(super) struct Unsealed {
    pub(super) session: Session,
    /// It was sealed with an earlier key, and should be sealed anew.
    pub(super) by_previous_key: bool,
}

impl Seal {
    pub(super) fn new(keys: &SiteKeys, randomness: Arc<dyn Randomness>) -> Self {
        Self { keys: keys.all().map(derived).collect(), randomness }
    }

    /// Nonce and ciphertext, which opens only where it was meant to be kept.
    pub(super) fn close(
        &self,
        place: &Hash,
        session: &Session,
    ) -> Result<Vec<u8>, SessionsUnavailable> {
        let plain = postcard::to_extend(session, vec![VERSION]).map_err(unavailable)?;
        let random = self.randomness.bytes().map_err(unavailable)?;
        let nonce = &random[..NONCE];
        let key = self.keys.first().ok_or_else(|| unavailable("no key"))?;
        let payload = Payload { msg: &plain, aad: place };
        let sealed = key.encrypt(Nonce::from_slice(nonce), payload).map_err(unavailable)?;
        Ok([nonce, &sealed].concat())
    }

    /// `None` for what no key of the site sealed for this place, or an earlier version wrote.
    pub(super) fn open(&self, place: &Hash, sealed: &[u8]) -> Option<Unsealed> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
        let open = |key: &Aes256Gcm| {
            key.decrypt(Nonce::from_slice(nonce), Payload { msg: sealed, aad: place }).ok()
        };
        let opened =
            self.keys.iter().enumerate().find_map(|(index, key)| Some((index, open(key)?)));
        let (index, plain) = opened?;
        let session = plain.strip_prefix(&[VERSION])?;
        match postcard::take_from_bytes(session) {
            Ok((session, [])) => Some(Unsealed { session, by_previous_key: index > 0 }),
            _ => None,
        }
    }
}

fn derived(material: &[u8; 32]) -> Aes256Gcm {
    let mut key = [0; 32];
    // Fails for more than 8,160 bytes only (RFC 5869, section 2.3).
    let _ = Hkdf::<Sha256>::new(None, material).expand(LABEL, &mut key);
    Aes256Gcm::new(&key.into())
}
