//! Portico with identity providers of other vendors.

mod api;
mod django;
mod django_contract;
mod keycloak;
mod keycloak_contract;
mod oidc_provider;
