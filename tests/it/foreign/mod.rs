//! Portico with identity providers of other vendors.

mod api;
mod keycloak;
mod keycloak_contract;
mod oidc_provider;
