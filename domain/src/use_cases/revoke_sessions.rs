use chrono::TimeDelta;

use crate::{
    model::Revocation,
    ports::{IdentityProvider, SessionRegistry, SessionsUnavailable},
};

/// Ends the sessions that the revocation covers, and revokes their refresh tokens at the provider
/// as far as the store has them and a provider is given.
pub(super) async fn revoke_sessions(
    registry: &dyn SessionRegistry,
    identity: Option<&dyn IdentityProvider>,
    revocation: &Revocation,
) -> Result<(), SessionsUnavailable> {
    let tokens = registry.revoke(revocation).await?;
    if let Some(identity) = identity {
        for token in tokens {
            identity.revoke(&token, TimeDelta::zero()).await;
        }
    }
    Ok(())
}
