//! What the provider issues: tokens, their renewal and revocation, and userinfo.

mod permissions;
mod redeem;
mod refresh;
mod revocation;
mod token_endpoint;
mod userinfo;

pub(super) use self::{redeem::redeem, refresh::refresh, revocation::TokenRevocations};
