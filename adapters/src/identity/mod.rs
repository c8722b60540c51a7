//! Adapters of the port `IdentityProvider`.

pub mod auth0;
pub mod oidc;
