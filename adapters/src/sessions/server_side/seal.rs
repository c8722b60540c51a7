//! Seals session records with AES-256-GCM.

use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use portico_domain::ports::{Randomness, SessionsUnavailable};
use sha2::Sha256;

use super::super::{keys::KeyMaterial, unavailable};

/// Makes the key of session records differ from the one of cookies.
const LABEL: &[u8] = b"portico: sessions kept on the server's side";

const NONCE_BYTES: usize = 12;

/// Seals with the current key, and opens with that and with earlier ones (AES-256-GCM).
pub(super) struct Seal {
    current: Aes256Gcm,
    previous: Vec<Aes256Gcm>,
}

/// The content of a record.
pub(super) struct Unsealed {
    pub(super) bytes: Vec<u8>,
    /// Whether an earlier key sealed it, so that it should be sealed again.
    pub(super) by_previous_key: bool,
}

impl Seal {
    pub(super) fn new(current: &KeyMaterial, previous: &[KeyMaterial]) -> Self {
        Self { current: cipher(current), previous: previous.iter().map(cipher).collect() }
    }

    /// `key` is the key of the record: under another one it does not open.
    pub(super) fn seal(
        &self,
        bytes: &[u8],
        key: &[u8],
        randomness: &dyn Randomness,
    ) -> Result<Vec<u8>, SessionsUnavailable> {
        let random = randomness.bytes().map_err(unavailable)?;
        let nonce = &random[..NONCE_BYTES];
        let sealed = self
            .current
            .encrypt(Nonce::from_slice(nonce), Payload { msg: bytes, aad: key })
            .map_err(unavailable)?;
        Ok([nonce, &sealed].concat())
    }

    /// `None` for what no key of ours sealed for this record.
    pub(super) fn open(&self, sealed: &[u8], key: &[u8]) -> Option<Unsealed> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
        let open = |cipher: &Aes256Gcm| {
            cipher.decrypt(Nonce::from_slice(nonce), Payload { msg: sealed, aad: key }).ok()
        };
        if let Some(bytes) = open(&self.current) {
            return Some(Unsealed { bytes, by_previous_key: false });
        }
        let bytes = self.previous.iter().find_map(open)?;
        Some(Unsealed { bytes, by_previous_key: true })
    }
}

fn cipher(material: &KeyMaterial) -> Aes256Gcm {
    let mut key = [0; 32];
    // It fails only for keys that are far longer.
    let _ = Hkdf::<Sha256>::new(None, material.bytes()).expand(LABEL, &mut key);
    Aes256Gcm::new(&key.into())
}
