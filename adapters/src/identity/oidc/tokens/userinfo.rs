//! The userinfo endpoint (OpenID Connect Core, section 5.3).

use std::sync::Arc;

use http::{Request, header};
use portico_domain::ports::RedeemError;
use serde_json::{Map, Value};
use url::Url;

use crate::identity::oidc::{
    OidcProvider,
    discovery::ProviderDocuments,
    error::{ProviderError, get, json_object},
    verify::{self, VerificationError},
};

const ENDPOINT: &str = "userinfo";

/// Requests the claims (section 5.3.1) and verifies the answer where it is signed. Whether they
/// are about the user of the ID token is checked when they are merged.
pub(super) async fn request(
    provider: &OidcProvider,
    documents: &Arc<ProviderDocuments>,
    endpoint: &Url,
    access_token: &str,
) -> Result<Map<String, Value>, RedeemError> {
    let request = Request::get(endpoint.as_str())
        .header(header::ACCEPT, "application/json, application/jwt")
        .header(header::AUTHORIZATION, format!("Bearer {access_token}"));
    let response = get(&provider.http, ENDPOINT, request).await?;
    let media_type = response.headers().get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    if !media_type.is_some_and(|it| it.to_ascii_lowercase().starts_with("application/jwt")) {
        return Ok(json_object(ENDPOINT, &response)?);
    }
    let Ok(token) = String::from_utf8(response.into_body()) else {
        return Err(ProviderError::invalid(ENDPOINT, "the answer is no text").into());
    };
    let verify = |documents: &ProviderDocuments| {
        let client_id = &provider.settings.client_id;
        verify::signed_userinfo(token.trim(), client_id, documents, provider.clock.now())
    };
    provider.verify(documents, verify).await.map_err(|error| match error {
        VerificationError::Invalid(cause) => {
            RedeemError::InvalidIdentity(format!("signed userinfo: {cause}"))
        }
        VerificationError::Provider(error) => error.into(),
    })
}
