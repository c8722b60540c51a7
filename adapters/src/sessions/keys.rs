use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use cookie::Key;

/// Key material, as in `ROCKET_SECRET_KEY` and `PREVIOUS_SECRET_KEYS`: 256 or 512 bits. `Debug` hides
/// it.
#[derive(Clone)]
pub struct KeyMaterial(Vec<u8>);

/// The text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key: 32 or 64 bytes in base64 are expected, or 32 in hexadecimal")]
pub struct InvalidKey;

impl FromStr for KeyMaterial {
    type Err = InvalidKey;

    /// Reads what Rocket reads: 32 or 64 bytes in base64, with padding, or 32 in hexadecimal.
    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let bytes = match text.len() {
            44 | 88 => STANDARD.decode(text).map_err(|_| InvalidKey)?,
            64 => hex::decode(text).map_err(|_| InvalidKey)?,
            _ => return Err(InvalidKey),
        };
        if matches!(bytes.len(), 32 | 64) { Ok(Self(bytes)) } else { Err(InvalidKey) }
    }
}

impl From<[u8; 32]> for KeyMaterial {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes.into())
    }
}

impl KeyMaterial {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key that Rocket derives from it for private cookies.
    pub(super) fn cookie_key(&self) -> Key {
        if self.0.len() >= 64 { Key::from(&self.0) } else { Key::derive_from(&self.0) }
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyMaterial(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_malformed_key() {
        for text in ["", "a", &"é".repeat(22), &"x".repeat(64), &"=".repeat(44), &"A".repeat(43)] {
            assert_eq!(text.parse::<KeyMaterial>().unwrap_err(), InvalidKey, "{text}");
        }
    }

    #[test]
    fn debug_hides_key() {
        let key: KeyMaterial = STANDARD.encode([7; 32]).parse().unwrap();
        assert_eq!(format!("{key:?}"), "KeyMaterial(…)");
    }
}
