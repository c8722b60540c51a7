//! Giving tokens back (RFC 7009).

use std::sync::Arc;

use portico_domain::model::RefreshToken;

use super::{OidcProvider, direct, discovery::Known};

/// Has the refresh token revoked, and with it whatever came of it (section 2.1). Nobody waits: what
/// goes wrong is a line in the log, and the token ends in its time.
pub(super) fn revoke_in_background(
    provider: &OidcProvider,
    known: &Arc<Known>,
    token: &RefreshToken,
) {
    let Some(endpoint) = known.metadata.revocation_endpoint.clone() else { return };
    let (provider, known) = (provider.clone(), Arc::clone(known));
    let token = token.clone();
    tokio::spawn(async move {
        let pairs = [("token", token.expose()), ("token_type_hint", "refresh_token")];
        let who = "the revocation endpoint";
        match direct::post(&provider, &known.metadata, who, &endpoint, &pairs).await {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => log::warn!("a refresh token is not revoked: status {}", answer.status()),
            Err(fault) => log::warn!("a refresh token is not revoked: {fault:?}"),
        }
    });
}
