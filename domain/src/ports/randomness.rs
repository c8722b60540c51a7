/// Cryptographically secure random bytes; injected so that tests are deterministic.
#[cfg_attr(feature = "testing", mockall::automock)]
pub trait Randomness: Send + Sync {
    /// 256 fresh bits from the operating system's generator.
    ///
    /// # Errors
    /// [`RandomnessUnavailable`] when the operating system has none; there is no fallback.
    fn bytes(&self) -> Result<[u8; 32], RandomnessUnavailable>;
}

/// The operating system gave no random bytes, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no random bytes from the operating system: {0}")]
pub struct RandomnessUnavailable(pub String);
