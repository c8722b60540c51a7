//! Why the development servers do not start.

/// Why the development servers do not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// Another program listens on this port of 127.0.0.1.
    #[error("port {0} on 127.0.0.1 is in use")]
    PortTaken(u16),
    /// Anything else, such as missing templates.
    #[error("cannot start the development servers: {0}")]
    Failed(String),
}
