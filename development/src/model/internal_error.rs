//! Failures of the provider itself.

/// Why the provider cannot answer; its endpoints then respond with status 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InternalError {
    /// The operating system has no random bytes.
    #[error("no randomness")]
    Randomness,
    /// A token cannot be built or signed.
    #[error("cannot sign a token")]
    Signing,
}
