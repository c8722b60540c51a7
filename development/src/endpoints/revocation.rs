//! The revocation endpoint (RFC 7009).

use std::sync::Arc;

use rocket::{Route, State, post, routes};

use super::client_authentication::{BasicCredentials, TokenError, authenticate};
use crate::{model::provider::Provider, web::parameters::Parameters};

pub(crate) fn routes() -> Vec<Route> {
    routes![revoke]
}

/// An unknown token is no error (section 2.2).
#[post("/revoke", data = "<form>")]
fn revoke(
    basic: BasicCredentials,
    provider: &State<Arc<Provider>>,
    form: Parameters,
) -> Result<(), TokenError> {
    if form.has_duplicates() {
        return Err(TokenError::new("invalid_request", "A parameter occurs more than once."));
    }
    authenticate(provider, &basic, &form)?;
    let token =
        form.get("token").ok_or_else(|| TokenError::new("invalid_request", "token is missing."))?;
    provider.grants.revoke(token);
    provider.request_counts.count("revoked");
    Ok(())
}
