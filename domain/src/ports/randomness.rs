/// Chance nobody can guess. Handed in, so that tests can repeat it.
#[cfg_attr(feature = "testing", mockall::automock)]
pub trait Randomness: Send + Sync {
    /// 256 fresh bits from the operating system's generator.
    ///
    /// # Errors
    /// [`RandomnessUnavailable`] when the operating system has none to give; nothing guessable is
    /// ever handed out instead.
    fn bytes(&self) -> Result<[u8; 32], RandomnessUnavailable>;
}

/// The operating system gave no random bytes, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no random bytes from the operating system: {0}")]
pub struct RandomnessUnavailable(pub String);
