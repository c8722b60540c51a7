//! The token endpoint (RFC 6749, sections 4.1.3, 5 and 6).

use std::{convert::Infallible, sync::Arc};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use rocket::{
    Request, Route, State, async_trait,
    http::{ContentType, Header, Status},
    post,
    request::{FromRequest, Outcome},
    response::{self, Responder},
    routes,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::form_urlencoded;

use super::{
    Provider,
    authorize::unreserved,
    grants::{Grant, Redeemed},
    random, tokens,
};
use crate::{faults::Fault, parameters::Parameters};

pub(super) fn routes() -> Vec<Route> {
    routes![token]
}

#[post("/token", data = "<form>")]
async fn token(
    basic: Basic,
    provider: &State<Arc<Provider>>,
    form: Parameters,
) -> Result<Answer, Refusal> {
    provider
        .faults
        .wait(|fault| match fault {
            Fault::TokenSlow(delay) => Some(delay),
            _ => None,
        })
        .await;
    if provider.faults.has(Fault::TokenFails) {
        return Err(Refusal::Failed);
    }
    if provider.faults.has(Fault::TokenInvalidGrant) {
        return Err(Refusal::invalid_grant("The provider was told to refuse."));
    }
    if form.repeated() {
        return Err(Refusal::new("invalid_request", "A parameter came twice."));
    }
    authenticate(provider, &basic, &form)?;
    let grant = match form.get("grant_type") {
        Some("authorization_code") => redeem(provider, &form)?,
        Some("refresh_token") => refresh(provider, &form)?,
        Some(_) => return Err(Refusal::new("unsupported_grant_type", "No such grant type.")),
        None => return Err(Refusal::new("invalid_request", "grant_type is missing.")),
    };
    issue(provider, grant)
}

/// The client names itself in the header or in the body, never in both (section 2.3).
pub(super) fn authenticate(
    provider: &Provider,
    basic: &Basic,
    form: &Parameters,
) -> Result<(), Refusal> {
    let body = (form.get("client_id"), form.get("client_secret"));
    let (id, secret) = match (basic, body) {
        (Basic::Given(..), (_, Some(_))) => {
            return Err(Refusal::new("invalid_request", "The client named itself twice."));
        }
        (Basic::Given(id, _), (Some(other), None)) if id != other => {
            return Err(Refusal::new("invalid_request", "The client named itself twice."));
        }
        (Basic::Given(id, secret), _) => (id.as_str(), secret.as_str()),
        (Basic::Absent, (Some(id), Some(secret))) => (id, secret),
        _ => return Err(Refusal::Client),
    };
    let same = |one: &str, other: &str| one.as_bytes().ct_eq(other.as_bytes());
    let known = same(id, &provider.client.id) & same(secret, &provider.client.secret);
    if known.into() { Ok(()) } else { Err(Refusal::Client) }
}

fn redeem(provider: &Provider, form: &Parameters) -> Result<Grant, Refusal> {
    let required = |name, why| form.get(name).ok_or_else(|| Refusal::new("invalid_request", why));
    let code = required("code", "code is missing.")?;
    let verifier = required("code_verifier", "code_verifier is missing.")?;
    let code = match provider.grants.redeem(code) {
        Redeemed::Good(code) => code,
        Redeemed::Again => {
            provider.hits.count("replayed-code");
            return Err(Refusal::invalid_grant("The code was redeemed before."));
        }
        Redeemed::Unknown => return Err(Refusal::invalid_grant("The code is not known.")),
    };
    if code.expires <= provider.now() {
        return Err(Refusal::invalid_grant("The code has expired."));
    }
    if form.get("redirect_uri") != Some(code.redirect_uri.as_str()) {
        return Err(Refusal::invalid_grant("redirect_uri is not the one of the request."));
    }
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    let matches: bool = challenge.as_bytes().ct_eq(code.challenge.as_bytes()).into();
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(unreserved) || !matches {
        return Err(Refusal::invalid_grant("code_verifier does not fit the challenge."));
    }
    Ok(code.grant)
}

fn refresh(provider: &Provider, form: &Parameters) -> Result<Grant, Refusal> {
    let token = form
        .get("refresh_token")
        .ok_or_else(|| Refusal::new("invalid_request", "refresh_token is missing."))?;
    let asked: Option<Vec<String>> =
        form.get("scope").map(|scope| scope.split_ascii_whitespace().map(Into::into).collect());
    let too_much = |grant: &Grant| {
        asked.as_ref().is_some_and(|asked| asked.iter().any(|scope| !grant.has(scope)))
    };
    let mut grant = provider
        .grants
        .take_refresh(token, too_much)
        .ok_or_else(|| Refusal::invalid_grant("The refresh token is not known, or used up."))?;
    if too_much(&grant) {
        return Err(Refusal::new("invalid_scope", "That is more than was granted."));
    }
    if let Some(asked) = asked {
        grant.scope = asked;
    }
    // Neither is about this token any more: the login was long ago, its session perhaps ended.
    (grant.nonce, grant.sid) = (None, None);
    Ok(grant)
}

fn issue(provider: &Provider, grant: Grant) -> Result<Answer, Refusal> {
    let failed = |_| Refusal::Failed;
    let now = provider.now();
    let access = tokens::access_token(provider, &grant, now).map_err(failed)?;
    let mut answer = json!({
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": tokens::access_token_lifetime(provider).num_seconds(),
        "scope": grant.scope.join(" "),
    });
    if grant.has("openid") && !provider.faults.has(Fault::NoIdToken) {
        let id_token = tokens::id_token(provider, &grant, &access, now).map_err(failed)?;
        answer["id_token"] = id_token.into();
    }
    if grant.has("offline_access") {
        let refresh = random().map_err(failed)?;
        provider.grants.add_refresh(refresh.clone(), grant.clone());
        answer["refresh_token"] = refresh.into();
    }
    provider.grants.add_access(access, grant, now + tokens::access_token_lifetime(provider));
    Ok(Answer(answer))
}

/// The client's name and secret by HTTP Basic, form-encoded each (section 2.3.1).
pub(super) enum Basic {
    Given(String, String),
    Malformed,
    Absent,
}

#[async_trait]
impl<'r> FromRequest<'r> for Basic {
    type Error = Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Infallible> {
        let Some(header) = request.headers().get_one("Authorization") else {
            return Outcome::Success(Self::Absent);
        };
        let decoded = || {
            let (scheme, value) = header.split_once(' ')?;
            let value = BASE64_STANDARD.decode(value.trim()).ok()?;
            let (id, secret) = std::str::from_utf8(&value).ok()?.split_once(':')?;
            let basic = scheme.eq_ignore_ascii_case("basic");
            basic.then(|| Some(Self::Given(form_decoded(id)?, form_decoded(secret)?))).flatten()
        };
        Outcome::Success(decoded().unwrap_or(Self::Malformed))
    }
}

/// Undoes the form-encoding of a single value. `None` where a bare `&` or `=` shows that it
/// never was encoded.
fn form_decoded(value: &str) -> Option<String> {
    if value.contains(['&', '=']) {
        return None;
    }
    let mut pairs = form_urlencoded::parse(value.as_bytes());
    Some(pairs.next().map(|(name, _)| name.into_owned()).unwrap_or_default())
}

struct Answer(Value);

impl<'r> Responder<'r, 'static> for Answer {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        (ContentType::JSON, self.0.to_string()).respond_to(request)
    }
}

/// Why there are no tokens (section 5.2).
pub(super) enum Refusal {
    Because(&'static str, &'static str),
    Client,
    Failed,
}

impl Refusal {
    pub(super) fn new(error: &'static str, why: &'static str) -> Self {
        Self::Because(error, why)
    }

    fn invalid_grant(why: &'static str) -> Self {
        Self::Because("invalid_grant", why)
    }
}

impl<'r> Responder<'r, 'static> for Refusal {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let (status, error, why) = match self {
            Self::Because(error, why) => (Status::BadRequest, error, why),
            Self::Client => (Status::Unauthorized, "invalid_client", "Unknown client or secret."),
            Self::Failed => (Status::InternalServerError, "server_error", "Something broke."),
        };
        let body = json!({ "error": error, "error_description": why });
        let mut response = (status, Answer(body)).respond_to(request)?;
        if status == Status::Unauthorized {
            response.set_header(Header::new("WWW-Authenticate", "Basic realm=\"token\""));
        }
        Ok(response)
    }
}
