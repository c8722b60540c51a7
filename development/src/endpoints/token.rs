//! The token endpoint (RFC 6749, sections 4.1.3, 5 and 6).

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rocket::{
    Request, Route, State,
    http::ContentType,
    post,
    response::{self, Responder},
    routes,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::client_authentication::{BasicCredentials, TokenError, authenticate};
use crate::{
    model::{
        faults::Fault,
        grants::{Grant, Redemption},
        overrides::RefreshTokens,
        provider::Provider,
        random::random,
        tokens,
    },
    web::parameters::{Parameters, is_unreserved},
};

pub(crate) fn routes() -> Vec<Route> {
    routes![token]
}

#[post("/token", data = "<form>")]
async fn token(
    basic: BasicCredentials,
    provider: &State<Arc<Provider>>,
    form: Parameters,
) -> Result<TokenResponse, TokenError> {
    provider
        .faults
        .wait(|fault| match fault {
            Fault::TokenSlow(delay) => Some(delay),
            _ => None,
        })
        .await;
    if provider.faults.has(Fault::TokenFails) {
        return Err(TokenError::Internal);
    }
    if provider.faults.has(Fault::TokenInvalidGrant) {
        return Err(TokenError::invalid_grant("Simulated fault."));
    }
    if form.has_duplicates() {
        return Err(TokenError::new("invalid_request", "A parameter occurs more than once."));
    }
    authenticate(provider, &basic, &form)?;
    let grant = match form.get("grant_type") {
        Some("authorization_code") => redeem(provider, &form)?,
        Some("refresh_token") => refresh(provider, &form)?,
        Some(_) => {
            return Err(TokenError::new("unsupported_grant_type", "Unsupported grant_type."));
        }
        None => return Err(TokenError::new("invalid_request", "grant_type is missing.")),
    };
    issue(provider, grant)
}

fn redeem(provider: &Provider, form: &Parameters) -> Result<Grant, TokenError> {
    let required =
        |name, why| form.get(name).ok_or_else(|| TokenError::new("invalid_request", why));
    let code = required("code", "code is missing.")?;
    let verifier = required("code_verifier", "code_verifier is missing.")?;
    let code = match provider.grants.redeem(code) {
        Redemption::Valid(code) => code,
        Redemption::Replayed => {
            provider.request_counts.count("replayed-code");
            return Err(TokenError::invalid_grant("The code was already redeemed."));
        }
        Redemption::Unknown => return Err(TokenError::invalid_grant("Unknown code.")),
    };
    if code.expires <= provider.now() {
        return Err(TokenError::invalid_grant("The code has expired."));
    }
    if form.get("redirect_uri") != Some(code.redirect_uri.as_str()) {
        return Err(TokenError::invalid_grant(
            "redirect_uri differs from the authorization request.",
        ));
    }
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    let matches: bool = challenge.as_bytes().ct_eq(code.challenge.as_bytes()).into();
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(is_unreserved) || !matches {
        return Err(TokenError::invalid_grant("code_verifier does not match code_challenge."));
    }
    Ok(code.grant)
}

fn refresh(provider: &Provider, form: &Parameters) -> Result<Grant, TokenError> {
    let token = form
        .get("refresh_token")
        .ok_or_else(|| TokenError::new("invalid_request", "refresh_token is missing."))?;
    let requested: Option<Vec<String>> =
        form.get("scope").map(|scope| scope.split_ascii_whitespace().map(Into::into).collect());
    let exceeds_grant = |grant: &Grant| {
        requested.as_ref().is_some_and(|scopes| scopes.iter().any(|scope| !grant.has(scope)))
    };
    let mut grant = provider.grants.take_refresh(token, exceeds_grant).ok_or_else(|| {
        TokenError::invalid_grant("The refresh token is unknown or was already used.")
    })?;
    if exceeds_grant(&grant) {
        return Err(TokenError::new("invalid_scope", "The scope exceeds the grant."));
    }
    if let Some(requested) = requested {
        grant.scope = requested;
    }
    // The nonce belongs to the authorization request, and the session may have ended.
    (grant.nonce, grant.sid) = (None, None);
    Ok(grant)
}

fn issue(provider: &Provider, grant: Grant) -> Result<TokenResponse, TokenError> {
    let now = provider.now();
    let access = tokens::access_token(provider, &grant, now)?;
    let mut response = json!({
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": tokens::access_token_lifetime(provider).num_seconds(),
        "scope": grant.scope.join(" "),
    });
    if grant.has("openid") && !provider.faults.has(Fault::NoIdToken) {
        let id_token = tokens::id_token(provider, &grant, &access, now)?;
        response["id_token"] = id_token.into();
    }
    let is_refreshable = match provider.dialect.overrides().refresh_tokens {
        RefreshTokens::OfflineAccess => grant.has("offline_access"),
        RefreshTokens::Always => true,
        RefreshTokens::Never => false,
    };
    if is_refreshable {
        let refresh = random()?;
        provider.grants.add_refresh(refresh.clone(), grant.clone());
        response["refresh_token"] = refresh.into();
    }
    response = provider.in_dialect(response, Some(&grant), |dialect| Some(&dialect.token_response));
    provider.grants.add_access(access, grant, now + tokens::access_token_lifetime(provider));
    Ok(TokenResponse(response))
}

/// A token response (RFC 6749, section 5.1).
struct TokenResponse(Value);

impl<'r> Responder<'r, 'static> for TokenResponse {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        (ContentType::JSON, self.0.to_string()).respond_to(request)
    }
}
