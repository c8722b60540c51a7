//! The token endpoint (OpenID Connect Core, section 3.1.3; RFC 6749, section 5).

use chrono::{DateTime, TimeDelta, Utc};
use http::StatusCode;
use portico_domain::{
    model::{AccessToken, IdToken, RefreshToken, Tokens},
    ports::{RedeemError, RefreshError},
};
use serde_json::Value;

use crate::identity::oidc::{
    OidcProvider, client_auth,
    discovery::Metadata,
    error::{
        ProviderError, check_media_type, error_code, is_about_the_request, outline, parse_json,
    },
};

const ENDPOINT: &str = "token endpoint";

/// A successful answer (RFC 6749, section 5.1; OpenID Connect Core, section 3.1.3.3). Members that
/// are not used may have any type.
pub(super) struct TokenResponse {
    pub(super) access_token: String,
    /// Seconds.
    expires_in: Option<Value>,
    refresh_token: Option<String>,
    id_token: Option<String>,
}

/// Why there are no tokens. The text is for the log; it holds no token.
pub(super) enum TokenError {
    /// The provider answered an OAuth error that no setting causes (RFC 6749, section 5.2).
    OAuth { code: String, status: StatusCode, text: String },
    /// The answer cannot be used, except that it holds a new refresh token.
    Incomplete { cause: ProviderError, refresh_token: RefreshToken },
    /// The request failed.
    Provider(ProviderError),
}

impl From<ProviderError> for TokenError {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}

impl From<TokenError> for RedeemError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::OAuth { code, text, .. } if code == "invalid_grant" => {
                Self::CodeRejected(text)
            }
            TokenError::OAuth { text, .. } => ProviderError::InvalidResponse(text).into(),
            TokenError::Incomplete { cause, .. } | TokenError::Provider(cause) => cause.into(),
        }
    }
}

impl From<TokenError> for RefreshError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::OAuth { code, status, text } if is_about_the_token(&code, status) => {
                Self::Refused(text)
            }
            TokenError::OAuth { text, .. } => ProviderError::InvalidResponse(text).into(),
            TokenError::Incomplete { cause, refresh_token } => {
                Self::Incomplete { cause: cause.to_string(), refresh_token }
            }
            TokenError::Provider(error) => error.into(),
        }
    }
}

/// Providers have many names for a refresh token that is no longer accepted.
fn is_about_the_token(code: &str, status: StatusCode) -> bool {
    code == "invalid_grant" || is_about_the_request(code, status)
}

/// Posts the grant, with the client's authentication.
pub(super) async fn request_tokens(
    provider: &OidcProvider,
    metadata: &Metadata,
    grant: &[(&str, &str)],
) -> Result<TokenResponse, TokenError> {
    let endpoint = &metadata.token_endpoint;
    let answer = client_auth::post(provider, metadata, ENDPOINT, endpoint, grant).await?;
    let response = &answer.response;
    let invalid = |cause: &str| ProviderError::invalid(ENDPOINT, cause);
    // Bodies, and errors that might quote one, stay out of the log: they may hold tokens.
    let body = parse_json(response.body()).ok().filter(Value::is_object);
    let has_tokens = body.as_ref().is_some_and(|body| body.get("access_token").is_some());
    // Some providers answer an error with status 200.
    let code = error_code(response).filter(|_| !has_tokens);
    if !response.status().is_success() || code.is_some() {
        let refusal = answer.refusal(&provider.settings.registration, ENDPOINT);
        return Err(match (refusal, code) {
            (ProviderError::InvalidResponse(text), Some(code)) => {
                TokenError::OAuth { code, status: response.status(), text }
            }
            (refusal, _) => refusal.into(),
        });
    }
    let media_type = check_media_type(response);
    let body = body.ok_or_else(|| invalid(&format!("malformed answer: {}", outline(response))))?;
    let text = |name: &str| {
        let text = body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        text.map(str::to_owned)
    };
    let refresh_token = text("refresh_token");
    // The provider may accept the earlier refresh token no more: the new one is passed on, whatever
    // is wrong with the rest.
    let unusable = |cause: &str| match &refresh_token {
        Some(token) => TokenError::Incomplete {
            cause: invalid(cause),
            refresh_token: RefreshToken::new(token),
        },
        None => invalid(cause).into(),
    };
    media_type.map_err(|cause| unusable(&cause))?;
    let Some(access_token) = text("access_token") else {
        return Err(unusable("malformed answer: it has no access_token"));
    };
    // RFC 6749, section 5.1: the type is case insensitive. This client presents bearer tokens only.
    if !text("token_type").is_some_and(|name| name.eq_ignore_ascii_case("bearer")) {
        return Err(unusable("the token type is not Bearer"));
    }
    let expires_in = body.get("expires_in").cloned();
    let id_token = text("id_token");
    Ok(TokenResponse { access_token, expires_in, refresh_token, id_token })
}

impl TokenResponse {
    /// `None` where the answer has no ID token.
    pub(super) fn id_token(&self) -> Option<&str> {
        self.id_token.as_deref()
    }

    /// `None` where the answer has no refresh token.
    pub(super) fn refresh_token(&self) -> Option<RefreshToken> {
        self.refresh_token.as_deref().map(RefreshToken::new)
    }

    /// The tokens, received at this time.
    pub(super) fn tokens(&self, received_at: DateTime<Utc>) -> Tokens {
        Tokens {
            id_token: self.id_token().map(IdToken::new),
            access_token: AccessToken::new(&self.access_token),
            access_token_issued_at: received_at,
            access_token_expires_at: self.expires_at(received_at),
            refresh_token: self.refresh_token(),
        }
    }

    /// When the access token expires; `None` where the answer has no usable `expires_in`, which is
    /// a hint only. Some providers send the number as text.
    fn expires_at(&self, received_at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let expires_in = self.expires_in.as_ref()?;
        let seconds = expires_in.as_u64().or_else(|| expires_in.as_str()?.parse().ok())?;
        received_at.checked_add_signed(TimeDelta::try_seconds(seconds.try_into().ok()?)?)
    }
}
