use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use cookie::Key;

/// Key material, as `ROCKET_SECRET_KEY` and `PREVIOUS_SECRET_KEYS` bring it: at least 256 bits.
///
/// `Debug` shows nothing of it.
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
            64 => from_hexadecimal(text).ok_or(InvalidKey)?,
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

fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<_>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    digits?.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}

impl KeyMaterial {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key that Rocket makes of it.
    fn of_cookies(&self) -> Key {
        if self.0.len() >= 64 { Key::from(&self.0) } else { Key::derive_from(&self.0) }
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyMaterial(…)")
    }
}

/// The keys that Rocket made of earlier material.
pub(super) fn of_cookies(previous: &[KeyMaterial]) -> Vec<Key> {
    previous.iter().map(KeyMaterial::of_cookies).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_else_is_no_key() {
        for text in ["", "a", &"é".repeat(22), &"x".repeat(64), &"=".repeat(44), &"A".repeat(43)] {
            assert_eq!(text.parse::<KeyMaterial>().unwrap_err(), InvalidKey, "{text}");
        }
    }

    #[test]
    fn debug_output_hides_the_key() {
        let key: KeyMaterial = STANDARD.encode([7; 32]).parse().unwrap();
        assert_eq!(format!("{key:?}"), "KeyMaterial(…)");
    }
}
