//! The revocation endpoint (RFC 7009).

use std::sync::Arc;

use rocket::{Route, State, post, routes};

use super::{
    Provider,
    token::{Basic, Refusal, authenticate},
};
use crate::parameters::Parameters;

pub(super) fn routes() -> Vec<Route> {
    routes![revoke]
}

/// A token that is not known is revoked as well as any (section 2.2).
#[post("/revoke", data = "<form>")]
fn revoke(basic: Basic, provider: &State<Arc<Provider>>, form: Parameters) -> Result<(), Refusal> {
    if form.repeated() {
        return Err(Refusal::new("invalid_request", "A parameter came twice."));
    }
    authenticate(provider, &basic, &form)?;
    let token =
        form.get("token").ok_or_else(|| Refusal::new("invalid_request", "token is missing."))?;
    provider.grants.revoke(token);
    provider.hits.count("revoked");
    Ok(())
}
