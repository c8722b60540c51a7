use std::sync::Arc;

use portico_domain::{
    model::{
        AuthorizationResponse, Claims, Identity, LoginAttempt, Permissions, StatedClaims, Subject,
    },
    ports::RedeemError,
};
use serde_json::Value;

use super::{
    permissions,
    token_endpoint::request_tokens,
    userinfo::{self, Occasion, lacks_claims},
};
use crate::identity::oidc::{
    OidcProvider,
    discovery::{ProviderDocuments, TokenSource},
    error::ProviderError,
    verify::merge_userinfo,
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
    let id_token = provider.verify(documents, TokenSource::Provider, verify).await?;
    let token = &answer.access_token;
    let access_token = permissions::access_token_claims(provider, documents, token).await;
    let settings = &provider.settings;
    let grants_nothing = [Some(&id_token), access_token.as_ref()]
        .into_iter()
        .flatten()
        .all(|claims| !settings.permissions.apply_to(claims));
    let needed = lacks_claims(&settings.scopes, &id_token)
        || settings.permissions.are_set() && grants_nothing
        || settings.required_claims.iter().any(|path| path.find(&id_token).is_none());
    let text = |name: &str| id_token.get(name).and_then(Value::as_str).map(str::to_owned);
    let subject = text("sub").unwrap_or_default();
    let userinfo = userinfo::fetch(provider, documents, token, &subject, needed).await?;
    let stated = StatedClaims {
        id_token: Some(&id_token),
        userinfo: userinfo.claims(),
        access_token: access_token.as_ref(),
    };
    let earlier = Permissions::default();
    let permissions = permissions::decide(provider, stated, &earlier, Occasion::LogIn);
    let provider_session_id = text("sid");
    let claims = match userinfo.claims() {
        Some(more) => merge_userinfo(id_token.clone(), more.clone()),
        None => id_token.clone(),
    };
    Ok(Identity {
        subject: Subject::new(metadata.issuer.clone(), subject),
        claims: Claims::from_sources(&id_token, &claims),
        permissions,
        provider_session_id,
        tokens,
    })
}
