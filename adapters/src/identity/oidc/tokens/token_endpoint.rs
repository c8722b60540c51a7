//! The token endpoint (OpenID Connect Core, section 3.1.3; RFC 6749, section 5).

use chrono::{DateTime, TimeDelta, Utc};
use portico_domain::{
    model::{AccessToken, IdToken, RefreshToken, Tokens},
    ports::{RedeemError, RefreshError},
};
use serde::Deserialize;
use serde_json::Value;

use crate::identity::oidc::{
    OidcProvider,
    client_auth::AuthenticatedForm,
    discovery::Metadata,
    error::{ProviderError, check_media_type, quoted},
};

const ENDPOINT: &str = "token endpoint";

/// A successful answer (RFC 6749, section 5.1; OpenID Connect Core, section 3.1.3.3).
#[derive(Deserialize)]
pub(super) struct TokenResponse {
    pub(super) access_token: String,
    token_type: String,
    /// Seconds.
    expires_in: Option<Value>,
    refresh_token: Option<String>,
    id_token: Option<String>,
}

/// An error answer (RFC 6749, section 5.2).
#[derive(Deserialize)]
struct ErrorResponse {
    error: String,
    error_description: Option<String>,
}

/// Why there are no tokens. The text is for the log; it holds no token.
pub(super) enum TokenError {
    /// The provider rejected the code or the refresh token (`invalid_grant`).
    InvalidGrant(String),
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
            TokenError::InvalidGrant(text) => Self::CodeRejected(text),
            TokenError::Provider(error) => error.into(),
        }
    }
}

impl From<TokenError> for RefreshError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::InvalidGrant(text) => Self::Refused(text),
            TokenError::Provider(error) => error.into(),
        }
    }
}

/// Posts the grant, with the client's authentication.
pub(super) async fn request_tokens(
    provider: &OidcProvider,
    metadata: &Metadata,
    grant: &[(&str, &str)],
) -> Result<TokenResponse, TokenError> {
    let form = AuthenticatedForm::new(provider, metadata, grant)?;
    let response = form.post(&provider.http, ENDPOINT, &metadata.token_endpoint).await?;
    let invalid = |cause: String| ProviderError::invalid(ENDPOINT, cause);
    // Bodies, and errors that might quote one, stay out of the log: they may hold tokens.
    if !response.status().is_success() {
        let status = response.status().as_u16();
        let error: ErrorResponse = serde_json::from_slice(response.body())
            .map_err(|_| invalid(format!("status {status}, malformed answer")))?;
        let description = error.error_description.as_deref().unwrap_or("no reason given");
        let text = quoted(&form.redact(&format!("{} ({description})", error.error)));
        return Err(match error.error.as_str() {
            "invalid_grant" => TokenError::InvalidGrant(text),
            _ => invalid(format!("status {status}, {text}")).into(),
        });
    }
    check_media_type(&response).map_err(invalid)?;
    let tokens: TokenResponse =
        serde_json::from_slice(response.body()).map_err(|_| invalid("malformed answer".into()))?;
    // RFC 6749, section 5.1: the type is case insensitive. This client presents bearer tokens only.
    if !tokens.token_type.eq_ignore_ascii_case("bearer") {
        return Err(invalid("the token type is not Bearer".into()).into());
    }
    Ok(tokens)
}

impl TokenResponse {
    /// `None` where the answer has no ID token.
    pub(super) fn id_token(&self) -> Option<&str> {
        self.id_token.as_deref().filter(|token| !token.is_empty())
    }

    /// The tokens, received at this time.
    pub(super) fn tokens(&self, received_at: DateTime<Utc>) -> Tokens {
        let refresh_token = self.refresh_token.as_deref().filter(|token| !token.is_empty());
        Tokens {
            id_token: self.id_token().map(IdToken::new),
            access_token: AccessToken::new(&self.access_token),
            access_token_issued_at: received_at,
            access_token_expires_at: self.expires_at(received_at),
            refresh_token: refresh_token.map(RefreshToken::new),
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
