use portico_domain::{
    model::{ClaimPath, ClaimSource, Claims, RefreshedTokens, Session, StatedClaims},
    ports::RefreshError,
};
use serde_json::{Map, Value};

use super::{
    permissions,
    token_endpoint::{TokenError, request_tokens},
    userinfo::{self, Occasion, UserinfoResult},
};
use crate::identity::oidc::{
    OidcProvider,
    discovery::{ProviderDocuments, TokenSource},
    error::ProviderError,
    verify::merge_userinfo as update_claims,
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
    let mut renewed = None;
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
            let verified = provider
                .verify(&documents, TokenSource::Provider, verify)
                .await
                .map_err(|error| {
                    match (RefreshError::from(error), answer.refresh_token()) {
                        // What is needed to verify the ID token cannot be had now. The new refresh token
                        // is passed on: the provider may accept the earlier one no more.
                        (
                            RefreshError::ProviderFault(cause)
                            | RefreshError::ProviderTimeout(cause)
                            | RefreshError::Misconfigured(cause),
                            Some(refresh_token),
                        ) => RefreshError::Incomplete { cause, refresh_token },
                        (error, _) => error,
                    }
                })?;
            renewed = Some(verified);
        }
        None => tokens.id_token = session.tokens().id_token.clone(),
    }
    if tokens.refresh_token.is_none() {
        tokens.refresh_token = Some(refresh_token.clone());
    }
    let token = &answer.access_token;
    let access_token = permissions::access_token_claims(provider, &documents, token).await;
    let needed = needs_userinfo(provider, session, renewed.as_ref(), access_token.as_ref());
    let subject = &session.subject().subject;
    let userinfo = userinfo::fetch(provider, &documents, token, subject, needed).await?;
    let stated = StatedClaims {
        id_token: renewed.as_ref(),
        userinfo: userinfo.claims(),
        access_token: access_token.as_ref(),
    };
    let earlier = &session.identity.permissions;
    let permissions = permissions::decide(provider, stated, earlier, Occasion::Refresh);
    let claims = current_claims(&provider.settings.required_claims, session, renewed, userinfo);
    Ok(RefreshedTokens { tokens, claims, permissions: Some(permissions) })
}

/// Whether userinfo has to say what the other sources do not: claims that the settings name.
fn needs_userinfo(
    provider: &OidcProvider,
    session: &Session,
    id_token: Option<&Map<String, Value>>,
    access_token: Option<&Map<String, Value>>,
) -> bool {
    let rules = &provider.settings.permissions;
    let earlier = &session.identity.permissions;
    let grants_nothing =
        [id_token, access_token].into_iter().flatten().all(|claims| !rules.apply_to(claims));
    let lacks_required = provider
        .settings
        .required_claims
        .iter()
        .any(|path| id_token.is_none_or(|claims| path.find(claims).is_none()));
    earlier.come_from(ClaimSource::Userinfo)
        || id_token.is_none() && earlier.come_from(ClaimSource::IdToken)
        || rules.are_set() && grants_nothing
        || lacks_required
}

/// The claims of the session with newer ones over them: a refreshed ID token may hold fewer than that
/// of the log-in. `None` where userinfo did not
/// answer and nothing changed.
///
/// A required claim that a new ID token leaves out is gone, unless userinfo might have stated it and
/// did not answer.
fn current_claims(
    required: &[ClaimPath],
    session: &Session,
    id_token: Option<Map<String, Value>>,
    userinfo: UserinfoResult,
) -> Option<Claims> {
    let earlier = session.identity.claims.to_map();
    let mut claims = earlier.clone();
    let (mut stated, _) = session.identity.claims.by_source();
    if let Some(id_token) = id_token {
        stated = update_claims(stated, id_token.clone());
        if !matches!(userinfo, UserinfoResult::Failed) {
            required.iter().for_each(|path| path.remove_from(&mut claims));
        }
        claims = update_claims(claims, id_token);
    }
    let has_answered = userinfo.claims().is_some();
    if let UserinfoResult::Claims(userinfo) = userinfo {
        claims = update_claims(claims, userinfo);
    }
    (has_answered || claims != earlier).then(|| Claims::from_sources(&stated, &claims))
}
