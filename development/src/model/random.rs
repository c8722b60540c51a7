//! Random identifiers.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use portico_adapters::system::SystemRandomness;
use portico_domain::ports::Randomness;

use super::internal_error::InternalError;

/// 256 random bits in base64url.
///
/// # Errors
/// [`InternalError::Randomness`] when the operating system has none.
pub(crate) fn random() -> Result<String, InternalError> {
    let bytes = SystemRandomness.bytes().map_err(|_| InternalError::Randomness)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}
