//! What the user may do, as far as the provider states it.

use std::sync::Arc;

use portico_domain::model::{Permissions, StatedClaims};
use serde_json::{Map, Value};

use super::userinfo::Occasion;
use crate::identity::oidc::{
    OidcProvider,
    discovery::{ProviderDocuments, TokenSource},
    verify::{self, VerificationError, unverified_claims},
};

/// The claims of the access token where they matter: where it is a JWT of the provider that has one
/// of the claims that grant permissions, and its signature verifies. Empty for any other token.
/// `None` where the keys that are needed cannot be fetched now.
pub(super) async fn access_token_claims(
    provider: &OidcProvider,
    documents: &Arc<ProviderDocuments>,
    access_token: &str,
) -> Option<Map<String, Value>> {
    // Before anything is fetched: many access tokens are opaque, or signed for another party with
    // keys that are not published.
    let may_grant = unverified_claims(access_token).is_some_and(|claims| {
        claims.get("iss").and_then(Value::as_str) == Some(&documents.metadata.issuer)
            && provider.settings.permissions.apply_to(&claims)
    });
    if !may_grant {
        return Some(Map::new());
    }
    let now = provider.clock.now();
    let verify = |documents: &ProviderDocuments| verify::access_token(access_token, documents, now);
    match provider.verify(documents, TokenSource::Provider, verify).await {
        Ok(claims) => Some(claims),
        Err(VerificationError::Invalid(cause)) => {
            log::warn!("permissions of the access token ignored: {cause}");
            Some(Map::new())
        }
        Err(VerificationError::Provider(error)) => {
            log::warn!("failed to verify the permissions of the access token: {error}");
            None
        }
    }
}

/// Decides what the user may do. What the operator should know is logged at the log-in, without a
/// value.
pub(super) fn decide(
    provider: &OidcProvider,
    stated: StatedClaims<'_>,
    earlier: &Permissions,
    occasion: Occasion,
) -> Permissions {
    let decision = provider.settings.permissions.decide(stated, earlier);
    if occasion == Occasion::LogIn {
        for claim in &decision.malformed {
            log::warn!("claim {claim} ignored: it is neither an array nor a text");
        }
        for name in decision.permissions.only_referred() {
            log::warn!(
                "claim {name} grants nothing: the provider only refers to it (_claim_names, \
                 hasgroups), as Entra ID does for a user of many groups; assign roles, or send \
                 only the groups of this application"
            );
        }
        if decision.left_out > 0 {
            log::warn!(
                "{} permissions of a user left out: a session has room for 100, of 200 bytes each \
                 and 3000 bytes together",
                decision.left_out
            );
        }
    }
    decision.permissions
}
