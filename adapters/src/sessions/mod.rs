//! Adapters of the port `SessionStore`.
