//! The userinfo endpoint (OpenID Connect Core, section 5.3). It adds claims to those of the ID token. A
//! log-in or a refresh fails because of it only if the response is about another user or forged.

use std::sync::Arc;

use http::{Request, StatusCode, header};
use portico_domain::ports::{RedeemError, RefreshError};
use serde_json::{Map, Value};
use url::Url;

use crate::identity::oidc::{
    OidcProvider, UserinfoPolicy,
    discovery::{ProviderDocuments, TokenSource},
    error::{ProviderError, describe, get_any, json_object, outline},
    verify::{self, UserinfoError, VerificationError},
};

const ENDPOINT: &str = "userinfo";

/// The response is about another user or forged. The text is for the log; it holds no token.
pub(super) struct InvalidUserinfo(String);

impl From<InvalidUserinfo> for RedeemError {
    fn from(InvalidUserinfo(cause): InvalidUserinfo) -> Self {
        Self::InvalidIdentity(cause)
    }
}

impl From<InvalidUserinfo> for RefreshError {
    fn from(InvalidUserinfo(cause): InvalidUserinfo) -> Self {
        Self::InvalidIdentity(cause)
    }
}

/// When claims are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// The user logged in.
    LogIn,
    /// The tokens were renewed.
    Refresh,
}

/// The result of a request to the endpoint.
pub(super) enum UserinfoResult {
    /// No request was made, or the provider has no such endpoint.
    NotRequested,
    /// The request failed or had no usable response.
    Failed,
    /// Its claims.
    Claims(Map<String, Value>),
}

impl UserinfoResult {
    /// The claims; `None` without a usable response.
    pub(super) fn claims(&self) -> Option<&Map<String, Value>> {
        match self {
            Self::Claims(claims) => Some(claims),
            Self::NotRequested | Self::Failed => None,
        }
    }
}

/// Requests the claims of this user if [`UserinfoPolicy`] says so; `needed` decides under
/// [`UserinfoPolicy::Auto`]. A failure is logged.
///
/// # Errors
/// [`InvalidUserinfo`] when the answer is about another user, or is signed and the signature, the issuer
/// or the audience is wrong.
pub(super) async fn fetch(
    provider: &OidcProvider,
    documents: &Arc<ProviderDocuments>,
    access_token: &str,
    subject: &str,
    needed: bool,
) -> Result<UserinfoResult, InvalidUserinfo> {
    let wanted = match provider.settings.userinfo {
        UserinfoPolicy::Always => true,
        UserinfoPolicy::Auto => needed,
        UserinfoPolicy::Never => false,
    };
    let endpoint = documents.metadata.userinfo_endpoint.as_ref().filter(|_| wanted);
    let Some(endpoint) = endpoint else { return Ok(UserinfoResult::NotRequested) };
    let answer = match request(provider, documents, endpoint, access_token).await {
        Ok(claims) => verify::verify_userinfo_subject(&claims, subject).map(|()| claims),
        Err(error) => Err(error),
    };
    match answer {
        Ok(claims) => Ok(UserinfoResult::Claims(claims)),
        Err(UserinfoError::Invalid(cause)) => Err(InvalidUserinfo(cause)),
        Err(UserinfoError::Unusable(cause)) => {
            log::warn!(
                "failed to read userinfo, going on with the ID token's claims: {cause}; \
                 OIDC_USERINFO=never stops asking"
            );
            Ok(UserinfoResult::Failed)
        }
    }
}

/// Whether a claim is missing that a requested scope promises (section 5.4). Of `profile` the name
/// stands for all: few users have every claim, and asking for those at each log-in finds none.
pub(super) fn lacks_claims(scopes: &[String], claims: &Map<String, Value>) -> bool {
    [("profile", "name"), ("email", "email"), ("address", "address"), ("phone", "phone_number")]
        .into_iter()
        .any(|(scope, claim)| {
            scopes.iter().any(|requested| requested == scope)
                && claims.get(claim).is_none_or(Value::is_null)
        })
}

/// Requests the claims (section 5.3.1) and verifies the answer where it is signed.
async fn request(
    provider: &OidcProvider,
    documents: &Arc<ProviderDocuments>,
    endpoint: &Url,
    access_token: &str,
) -> Result<Map<String, Value>, UserinfoError> {
    let request = Request::get(endpoint.as_str())
        .header(header::ACCEPT, "application/json, application/jwt")
        .header(header::AUTHORIZATION, format!("Bearer {access_token}"));
    let response = get_any(&provider.http, ENDPOINT, request).await?;
    if response.status() != StatusCode::OK {
        // Some providers repeat the token in their error.
        let text = describe(&response, &|text| text.replace(access_token, "…"));
        return Err(ProviderError::invalid(ENDPOINT, text).into());
    }
    let media_type = response.headers().get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    if !media_type.is_some_and(|it| it.to_ascii_lowercase().starts_with("application/jwt")) {
        return Ok(json_object(ENDPOINT, &response)?);
    }
    let outline = outline(&response);
    let unusable = |cause: &str| ProviderError::invalid(ENDPOINT, format!("{cause}: {outline}"));
    let Ok(token) = String::from_utf8(response.into_body()) else {
        return Err(unusable("the answer is no text").into());
    };
    // Encrypted, or no token at all: it says nothing.
    match token.trim().split('.').count() {
        3 => {}
        5 => return Err(unusable("the answer is encrypted (JWE)").into()),
        _ => return Err(unusable("the answer is no signed JWT").into()),
    }
    let verify = |documents: &ProviderDocuments| {
        let client_id = &provider.settings.registration.client_id;
        verify::signed_userinfo(token.trim(), client_id, documents, provider.clock.now())
    };
    provider.verify(documents, TokenSource::Provider, verify).await.map_err(|error| match error {
        VerificationError::Invalid(cause) => {
            UserinfoError::Invalid(format!("signed userinfo: {cause}"))
        }
        VerificationError::Provider(error) => error.into(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_claims_missing_for_scopes() {
        for (scopes, claims, expected) in [
            ("openid", json!({}), false),
            ("openid profile", json!({ "name": "Ann" }), false),
            ("openid profile", json!({ "email": "ann@example.com" }), true),
            ("openid profile email", json!({ "name": "Ann" }), true),
            ("openid profile email", json!({ "name": "Ann", "email": null }), true),
            ("openid profile email", json!({ "name": "Ann", "email": "a@b.example" }), false),
            ("openid phone", json!({}), true),
        ] {
            let scopes: Vec<_> = scopes.split(' ').map(str::to_owned).collect();
            let claims_map = claims.as_object().unwrap();
            assert_eq!(lacks_claims(&scopes, claims_map), expected, "{scopes:?} {claims}");
        }
    }
}
