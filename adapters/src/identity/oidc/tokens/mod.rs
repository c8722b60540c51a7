//! What the provider issues: tokens, their renewal and revocation, and userinfo.

mod credentials;
mod permissions;
mod redeem;
mod refresh;
mod revocation;
mod token_endpoint;
mod userinfo;

pub(super) use self::{
    credentials::try_credentials, redeem::redeem, refresh::refresh, revocation::TokenRevocations,
};
