//! Why the development servers do not start.

/// Why the world does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// Another program listens on this port of 127.0.0.1.
    #[error("port {0} of 127.0.0.1 is taken")]
    PortTaken(u16),
    /// Anything else: no randomness, no templates, no keys.
    #[error("the development provider does not start: {0}")]
    Start(String),
}
