//! Adapters of the port `IdentityProvider`.

pub mod auth0;
pub mod oidc;

/// The secret that a confidential client shares with its provider. `Debug` hides it.
pub use openidconnect::ClientSecret;
