//! How the client authenticates, and the errors of the endpoints at which it does (RFC 6749,
//! sections 2.3 and 5.2).

use std::{convert::Infallible, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use rocket::{
    Request, async_trait,
    http::{ContentType, Header, Status},
    request::{FromRequest, Outcome},
    response::{self, Responder},
};
use serde_json::json;
use subtle::ConstantTimeEq;
use url::form_urlencoded;

use crate::{
    model::{internal_error::InternalError, overrides::SecretMethod, provider::Provider},
    web::parameters::Parameters,
};

/// Verifies the client's credentials, which are in the header or in the body but not in both
/// (section 2.3).
pub(crate) fn authenticate(
    provider: &Provider,
    basic: &BasicCredentials,
    form: &Parameters,
) -> Result<(), TokenError> {
    let body = (form.get("client_id"), form.get("client_secret"));
    let (id, secret) = match (basic, body) {
        (BasicCredentials::Present(..), (_, Some(_))) => {
            return Err(TokenError::new(
                "invalid_request",
                "More than one method of client authentication.",
            ));
        }
        (BasicCredentials::Present(id, _), (Some(other), None)) if id != other => {
            return Err(TokenError::new(
                "invalid_request",
                "More than one method of client authentication.",
            ));
        }
        (BasicCredentials::Present(id, secret), _) => (id.as_str(), secret.as_str()),
        (BasicCredentials::Absent, (Some(id), Some(secret))) => (id, secret),
        _ => return Err(TokenError::InvalidClient),
    };
    let method = match basic {
        BasicCredentials::Present(..) => SecretMethod::ClientSecretBasic,
        BasicCredentials::Malformed | BasicCredentials::Absent => SecretMethod::ClientSecretPost,
    };
    let accepted = provider.dialect.overrides().client_authentication;
    if accepted.is_some_and(|accepted| accepted != method) {
        return Err(TokenError::InvalidClient);
    }
    let same = |one: &str, other: &str| one.as_bytes().ct_eq(other.as_bytes());
    let valid = same(id, &provider.client.id) & same(secret, &provider.client.secret);
    if valid.into() { Ok(()) } else { Err(TokenError::InvalidClient) }
}

/// The client's id and secret by HTTP Basic, each form-encoded (section 2.3.1).
pub(crate) enum BasicCredentials {
    Present(String, String),
    Malformed,
    Absent,
}

#[async_trait]
impl<'r> FromRequest<'r> for BasicCredentials {
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
            basic.then(|| Some(Self::Present(form_decoded(id)?, form_decoded(secret)?))).flatten()
        };
        Outcome::Success(decoded().unwrap_or(Self::Malformed))
    }
}

/// Decodes a form-encoded value. `None` if an unescaped `&` or `=` shows that it is not encoded.
fn form_decoded(value: &str) -> Option<String> {
    if value.contains(['&', '=']) {
        return None;
    }
    let mut pairs = form_urlencoded::parse(value.as_bytes());
    Some(pairs.next().map(|(name, _)| name.into_owned()).unwrap_or_default())
}

/// An error response (section 5.2).
pub(crate) enum TokenError {
    Code(&'static str, &'static str),
    InvalidClient,
    Internal,
}

impl TokenError {
    pub(crate) fn new(error: &'static str, description: &'static str) -> Self {
        Self::Code(error, description)
    }

    pub(crate) fn invalid_grant(description: &'static str) -> Self {
        Self::Code("invalid_grant", description)
    }
}

impl From<InternalError> for TokenError {
    fn from(_: InternalError) -> Self {
        Self::Internal
    }
}

impl<'r> Responder<'r, 'static> for TokenError {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let (status, error, description) = match self {
            Self::Code(error, description) => (Status::BadRequest, error, description),
            Self::InvalidClient => {
                (Status::Unauthorized, "invalid_client", "Unknown client or wrong secret.")
            }
            Self::Internal => (Status::InternalServerError, "server_error", "Internal error."),
        };
        let mut body = json!({ "error": error, "error_description": description });
        if let Some(provider) = request.rocket().state::<Arc<Provider>>() {
            body = provider.in_dialect(body, None, |dialect| dialect.errors.get(error));
        }
        let mut response = (status, (ContentType::JSON, body.to_string())).respond_to(request)?;
        if status == Status::Unauthorized {
            response.set_header(Header::new("WWW-Authenticate", "Basic realm=\"token\""));
        }
        Ok(response)
    }
}
