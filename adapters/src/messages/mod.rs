//! Adapters of the port `MessageApi`.
