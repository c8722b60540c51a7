//! Adapters of the port `IdentityProvider`.
