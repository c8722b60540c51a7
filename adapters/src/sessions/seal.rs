//! Sealing what is kept outside of the site.

use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use portico_domain::ports::{Randomness, SessionsUnavailable};
use sha2::Sha256;

use super::{keys::KeyMaterial, unavailable};

/// Makes the key for sessions another than the one for cookies.
const LABEL: &[u8] = b"portico: sessions kept on the server's side";

const NONCE: usize = 12;

/// Seals with the current key, and opens with that and with earlier ones (AES-256-GCM).
pub(super) struct Seal {
    current: Aes256Gcm,
    previous: Vec<Aes256Gcm>,
}

/// What was sealed.
pub(super) struct Unsealed {
    pub(super) bytes: Vec<u8>,
    /// Whether an earlier key sealed it, so that it should be sealed anew.
    pub(super) by_earlier_key: bool,
}

impl Seal {
    pub(super) fn new(current: &KeyMaterial, previous: &[KeyMaterial]) -> Self {
        Self { current: cipher(current), previous: previous.iter().map(cipher).collect() }
    }

    /// `place` says where it is kept: moved elsewhere, it does not open.
    pub(super) fn seal(
        &self,
        bytes: &[u8],
        place: &[u8],
        randomness: &dyn Randomness,
    ) -> Result<Vec<u8>, SessionsUnavailable> {
        let random = randomness.bytes().map_err(unavailable)?;
        let nonce = &random[..NONCE];
        let sealed = self
            .current
            .encrypt(Nonce::from_slice(nonce), Payload { msg: bytes, aad: place })
            .map_err(unavailable)?;
        Ok([nonce, &sealed].concat())
    }

    /// `None` for what no key of ours sealed for this place.
    pub(super) fn open(&self, sealed: &[u8], place: &[u8]) -> Option<Unsealed> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
        let open = |cipher: &Aes256Gcm| {
            cipher.decrypt(Nonce::from_slice(nonce), Payload { msg: sealed, aad: place }).ok()
        };
        if let Some(bytes) = open(&self.current) {
            return Some(Unsealed { bytes, by_earlier_key: false });
        }
        let bytes = self.previous.iter().find_map(open)?;
        Some(Unsealed { bytes, by_earlier_key: true })
    }
}

fn cipher(material: &KeyMaterial) -> Aes256Gcm {
    let mut key = [0; 32];
    // It fails for keys far longer than these only.
    let _ = Hkdf::<Sha256>::new(None, material.bytes()).expand(LABEL, &mut key);
    Aes256Gcm::new(&key.into())
}
