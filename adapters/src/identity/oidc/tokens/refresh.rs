use portico_domain::{
    model::{Claims, RefreshedTokens, Session},
    ports::RefreshError,
};
use serde_json::Map;

use super::{
    permissions,
    token_endpoint::{TokenError, request_tokens},
    userinfo::{self, Answered, Occasion},
};
use crate::identity::oidc::{
    OidcProvider,
    discovery::{ProviderDocuments, TokenSource},
    error::ProviderError,
};

/// Renews the session's tokens (OpenID Connect Core, section 12).
pub(in crate::identity::oidc) async fn refresh(
    provider: &OidcProvider,
    session: &Session,
) -> Result<RefreshedTokens, RefreshError> {
    let Some(refresh_token) = &session.tokens().refresh_token else {
        return Err(RefreshError::Refused("the session has no refresh token".into()));
    };
    let documents = provider.discovery.documents().await?;
    // Section 12.1.
    let grant = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose())];
    let answer = match request_tokens(provider, &documents.metadata, &grant).await {
        // The answer may have been lost after the provider rotated the refresh token. Providers
        // that rotate mostly accept the earlier one for some seconds more.
        Err(TokenError::Provider(ProviderError::Unreachable(_))) => {
            request_tokens(provider, &documents.metadata, &grant).await?
        }
        answer => answer?,
    };
    let mut tokens = answer.tokens(provider.clock.now());

    // Section 12.2: the answer might hold no ID token.
    let mut claims = Map::new();
    match answer.id_token() {
        Some(id_token) => {
            let earlier = session.identity.claims.to_map();
            let verify = |documents: &ProviderDocuments| {
                provider.expected_id_token(documents, &answer.access_token).verify_for_refresh(
                    id_token,
                    session.subject(),
                    &earlier,
                )
            };
            claims = provider.verify(&documents, TokenSource::Provider, verify).await.map_err(
                |error| {
                    match (RefreshError::from(error), answer.refresh_token()) {
                        // What is needed to verify the ID token cannot be had now. The new refresh token
                        // is passed on: the provider may accept the earlier one no more.
                        (
                            RefreshError::ProviderFault(cause)
                            | RefreshError::ProviderTimeout(cause),
                            Some(refresh_token),
                        ) => RefreshError::Incomplete { cause, refresh_token },
                        (error, _) => error,
                    }
                },
            )?;
        }
        None => tokens.id_token = session.tokens().id_token.clone(),
    }
    if tokens.refresh_token.is_none() {
        tokens.refresh_token = Some(refresh_token.clone());
    }
    // Over the claims of the session: a refreshed ID token may hold fewer than that of the log-in.
    let (occasion, token) = (Occasion::Refresh, &answer.access_token);
    let earlier = session.identity.claims.to_map();
    let (current, answered) = userinfo::add(provider, &documents, occasion, token, earlier).await?;
    let current = (answered == Answered::Yes).then_some(current);
    if let Some(permissions) = current.as_ref().and_then(|current| current.get("permissions")) {
        claims.entry("permissions").or_insert_with(|| permissions.clone());
    }
    let permissions = permissions::find(&claims, &answer.access_token);
    Ok(RefreshedTokens { tokens, claims: current.as_ref().map(Claims::new), permissions })
}
