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
        return Err(TokenError::Failed);
    }
    if provider.faults.has(Fault::TokenInvalidGrant) {
        return Err(TokenError::invalid_grant("The provider was told to refuse."));
    }
    if form.repeated() {
        return Err(TokenError::new("invalid_request", "A parameter came twice."));
    }
    authenticate(provider, &basic, &form)?;
    let grant = match form.get("grant_type") {
        Some("authorization_code") => redeem(provider, &form)?,
        Some("refresh_token") => refresh(provider, &form)?,
        Some(_) => return Err(TokenError::new("unsupported_grant_type", "No such grant type.")),
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
        Redemption::Good(code) => code,
        Redemption::Again => {
            provider.request_counts.count("replayed-code");
            return Err(TokenError::invalid_grant("The code was redeemed before."));
        }
        Redemption::Unknown => return Err(TokenError::invalid_grant("The code is not known.")),
    };
    if code.expires <= provider.now() {
        return Err(TokenError::invalid_grant("The code has expired."));
    }
    if form.get("redirect_uri") != Some(code.redirect_uri.as_str()) {
        return Err(TokenError::invalid_grant("redirect_uri is not the one of the request."));
    }
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    let matches: bool = challenge.as_bytes().ct_eq(code.challenge.as_bytes()).into();
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(is_unreserved) || !matches {
        return Err(TokenError::invalid_grant("code_verifier does not fit the challenge."));
    }
    Ok(code.grant)
}

fn refresh(provider: &Provider, form: &Parameters) -> Result<Grant, TokenError> {
    let token = form
        .get("refresh_token")
        .ok_or_else(|| TokenError::new("invalid_request", "refresh_token is missing."))?;
    let asked: Option<Vec<String>> =
        form.get("scope").map(|scope| scope.split_ascii_whitespace().map(Into::into).collect());
    let too_much = |grant: &Grant| {
        asked.as_ref().is_some_and(|asked| asked.iter().any(|scope| !grant.has(scope)))
    };
    let mut grant = provider
        .grants
        .take_refresh(token, too_much)
        .ok_or_else(|| TokenError::invalid_grant("The refresh token is not known, or used up."))?;
    if too_much(&grant) {
        return Err(TokenError::new("invalid_scope", "That is more than was granted."));
    }
    if let Some(asked) = asked {
        grant.scope = asked;
    }
    // Neither is about this token any more: the login was long ago, its session perhaps ended.
    (grant.nonce, grant.sid) = (None, None);
    Ok(grant)
}

fn issue(provider: &Provider, grant: Grant) -> Result<TokenResponse, TokenError> {
    let now = provider.now();
    let access = tokens::access_token(provider, &grant, now)?;
    let mut answer = json!({
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": tokens::access_token_lifetime(provider).num_seconds(),
        "scope": grant.scope.join(" "),
    });
    if grant.has("openid") && !provider.faults.has(Fault::NoIdToken) {
        let id_token = tokens::id_token(provider, &grant, &access, now)?;
        answer["id_token"] = id_token.into();
    }
    if grant.has("offline_access") {
        let refresh = random()?;
        provider.grants.add_refresh(refresh.clone(), grant.clone());
        answer["refresh_token"] = refresh.into();
    }
    provider.grants.add_access(access, grant, now + tokens::access_token_lifetime(provider));
    Ok(TokenResponse(answer))
}

/// A token response (RFC 6749, section 5.1).
struct TokenResponse(Value);

impl<'r> Responder<'r, 'static> for TokenResponse {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        (ContentType::JSON, self.0.to_string()).respond_to(request)
    }
}
