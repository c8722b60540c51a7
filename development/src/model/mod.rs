//! The state of the provider, independent of HTTP, and the tokens that are made from it.

pub(crate) mod accounts;
pub(crate) mod dialect;
pub(crate) mod faults;
pub(crate) mod grants;
pub(crate) mod internal_error;
pub(crate) mod jws;
pub(crate) mod keys;
pub(crate) mod logout_token;
pub(crate) mod overrides;
pub(crate) mod provider;
pub(crate) mod random;
pub(crate) mod request_counts;
pub(crate) mod sessions;
pub(crate) mod signing_key;
pub(crate) mod tokens;
