use std::fmt;

use cookie::Key;

/// The site's key, which seals what browsers and stores keep, and the earlier ones, which still
/// open what they sealed: each 256 bits.
#[derive(Clone)]
pub struct SiteKeys {
    current: [u8; 32],
    previous: Vec<[u8; 32]>,
}

impl SiteKeys {
    /// `current` is the key that Rocket has as its `secret_key`; the latest of the earlier ones
    /// first.
    pub fn new(current: [u8; 32], previous: Vec<[u8; 32]>) -> Self {
        Self { current, previous }
    }

    /// All of them, the current one first.
    pub(super) fn all(&self) -> impl Iterator<Item = &[u8; 32]> {
        std::iter::once(&self.current).chain(&self.previous)
    }

    /// The earlier ones, as Rocket would have derived its cookies' keys from them.
    pub(super) fn previous_of_cookies(&self) -> Vec<Key> {
        self.previous.iter().map(|key| Key::derive_from(key)).collect()
    }
}

impl fmt::Debug for SiteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SiteKeys(…, {} previous)", self.previous.len())
    }
}
