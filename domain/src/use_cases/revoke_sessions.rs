use chrono::TimeDelta;

use crate::{
    model::Revocation,
    ports::{IdentityProvider, SessionRegistry, SessionsUnavailable},
};

/// Ends the sessions that the revocation covers, and revokes their refresh tokens at the provider
/// as far as the store has them.
pub(super) async fn revoke_sessions(
    registry: &dyn SessionRegistry,
    identity: &dyn IdentityProvider,
    revocation: &Revocation,
) -> Result<(), SessionsUnavailable> {
    for token in registry.revoke(revocation).await? {
        identity.revoke(&token, TimeDelta::zero()).await;
    }
    Ok(())
}
