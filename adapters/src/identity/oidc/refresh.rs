//! Renewing a session's tokens (OpenID Connect Core, section 12).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use openidconnect::{OAuth2TokenResponse, TokenResponse};
use portico_domain::{
    model::{AccessToken, IdToken, RefreshToken, RefreshedTokens, Session, Tokens},
    ports::{RedeemError, RefreshError},
};
use serde_json::{Map, Value};

use super::{OidcProvider, expires_at, fault::Fault, id_token::Expectation, permissions, token};

pub(super) async fn refresh(
    provider: &OidcProvider,
    session: &Session,
) -> Result<RefreshedTokens, RefreshError> {
    let Some(refresh_token) = &session.tokens.refresh_token else {
        return Err(RefreshError::Refused("the session has no refresh token".into()));
    };
    let known = provider.discovery.provider().await?;
    let tokens =
        token::refresh(provider, &known.metadata, refresh_token).await.map_err(of_refresh)?;
    let received_at = provider.clock.now();
    let mut claims = Map::new();
    let mut id_token = session.tokens.id_token.clone();
    // Section 12.2: the answer might hold none.
    if let Some(newer) = tokens.id_token() {
        let first = payload(session.tokens.id_token.expose());
        let nonce = first.get("nonce").and_then(Value::as_str);
        claims = provider
            .believe(&known, &tokens, newer, Expectation::NoneOr(nonce))
            .await
            .map_err(of_refresh)?;
        hold_against(&claims, &first, session).map_err(RefreshError::InvalidIdentity)?;
        id_token = IdToken::new(newer.to_string());
    }
    let rotated = tokens.refresh_token().map(|it| RefreshToken::new(it.secret()));
    let access_token = tokens.access_token().secret();
    Ok(RefreshedTokens {
        permissions: permissions::told(&claims, access_token),
        tokens: Tokens {
            id_token,
            access_token: AccessToken::new(access_token),
            access_token_expires_at: expires_at(&tokens, received_at),
            refresh_token: rotated.or_else(|| Some(refresh_token.clone())),
        },
    })
}

/// What must not have changed since the login (section 12.2).
fn hold_against(
    newer: &Map<String, Value>,
    first: &Map<String, Value>,
    session: &Session,
) -> Result<(), String> {
    let text = |name: &str| newer.get(name).and_then(Value::as_str);
    if text("iss") != Some(&session.issuer) {
        return Err("the new ID token is of another issuer".into());
    }
    if text("sub") != Some(&session.subject) {
        return Err("the new ID token is about another person".into());
    }
    // `azp` is ours or none, which was checked; the others may be left out, but not differ.
    for name in ["auth_time", "azp"] {
        let (was, is) = (first.get(name), newer.get(name));
        if is.is_some() && was.is_some() && is != was {
            return Err(format!("the new ID token has another {name}"));
        }
    }
    let audiences = |claims: &Map<String, Value>| match claims.get("aud") {
        Some(Value::Array(all)) => all.clone(),
        one => one.cloned().into_iter().collect(),
    };
    let (was, is) = (audiences(first), audiences(newer));
    if was.iter().chain(&is).any(|one| !was.contains(one) || !is.contains(one)) {
        return Err("the new ID token has another audience".into());
    }
    Ok(())
}

/// The claims of the first ID token, which was verified when it came.
fn payload(token: &str) -> Map<String, Value> {
    let bytes = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// At the same endpoint the same things go wrong, and mean something else here.
fn of_refresh(error: RedeemError) -> RefreshError {
    match error {
        RedeemError::CodeRejected(why) => RefreshError::Refused(why),
        RedeemError::InvalidIdentity(why) | RedeemError::WrongIssuer(why) => {
            RefreshError::InvalidIdentity(why)
        }
        RedeemError::WrongNonce => {
            RefreshError::InvalidIdentity("the new ID token has another nonce".into())
        }
        RedeemError::ProviderFault(why) => Fault::Nonsense(why).into(),
        RedeemError::ProviderTimeout(why) => Fault::Timeout(why).into(),
    }
}
