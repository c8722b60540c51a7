use std::sync::Arc;

use portico_domain::{
    model::{AuthorizationResponse, Claims, Identity, LoginAttempt, Subject},
    ports::RedeemError,
};
use serde_json::Value;

use super::{
    permissions,
    token_endpoint::request_tokens,
    userinfo::{self, Occasion},
};
use crate::identity::oidc::{
    OidcProvider,
    discovery::{ProviderDocuments, TokenSource},
    error::ProviderError,
};

/// Redeems the code (OpenID Connect Core, section 3.1.3), verifies the ID token and adds userinfo.
pub(in crate::identity::oidc) async fn redeem(
    provider: &OidcProvider,
    documents: &Arc<ProviderDocuments>,
    response: &AuthorizationResponse,
    attempt: &LoginAttempt,
) -> Result<Identity, RedeemError> {
    let metadata = &documents.metadata;
    let grant = [
        ("grant_type", "authorization_code"),
        ("code", response.code.expose()),
        ("redirect_uri", &provider.settings.redirect_uri),
        ("code_verifier", attempt.code_verifier.expose()),
    ];
    let answer = request_tokens(provider, metadata, &grant).await?;
    let tokens = answer.tokens(provider.clock.now());
    let Some(id_token) = answer.id_token() else {
        return Err(ProviderError::invalid("token endpoint", "no ID token").into());
    };
    let verify = |documents: &ProviderDocuments| {
        provider
            .expected_id_token(documents, &answer.access_token)
            .verify_for_login(id_token, attempt)
    };
    let claims = provider.verify(documents, TokenSource::Provider, verify).await?;
    let occasion = Occasion::LogIn;
    let token = &answer.access_token;
    let (claims, _) = userinfo::add(provider, documents, occasion, token, claims).await?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(Identity {
        subject: Subject::new(metadata.issuer.clone(), text("sub").unwrap_or_default()),
        claims: Claims::new(&claims),
        permissions: permissions::find(&claims, &answer.access_token).unwrap_or_default(),
        provider_session_id: text("sid"),
        tokens,
    })
}
