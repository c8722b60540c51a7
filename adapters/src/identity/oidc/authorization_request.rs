//! Authorization requests (OpenID Connect Core, section 3.1.2.1), pushed where wanted (RFC 9126).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use portico_domain::model::{LoginAttempt, Screen};
use sha2::{Digest, Sha256};
use url::Url;

use super::{
    OidcProvider, ResponseMode, client_auth,
    discovery::Metadata,
    error::{ProviderError, error_code, is_about_the_request, outline, parse_json},
    settings::OidcSettings,
};

const PUSHED_REQUEST_ENDPOINT: &str = "pushed authorization request endpoint";

/// The address to send the browser to.
pub(super) async fn authorization_url(
    provider: &OidcProvider,
    metadata: &Metadata,
    attempt: &LoginAttempt,
    screen: Screen,
) -> Result<Url, ProviderError> {
    let url = request(&provider.settings, metadata, attempt, screen);
    if provider.settings.pushed_requests || metadata.requires_pushed_requests {
        return push(provider, metadata, &url).await;
    }
    Ok(url)
}

fn request(
    settings: &OidcSettings,
    metadata: &Metadata,
    attempt: &LoginAttempt,
    screen: Screen,
) -> Url {
    let mut scopes = vec!["openid"];
    scopes.extend(settings.scopes.iter().map(String::as_str).filter(|scope| *scope != "openid"));
    // RFC 7636, section 4.2.
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(attempt.code_verifier.expose()));

    let mut url = metadata.authorization_endpoint.clone();
    let mut query = url.query_pairs_mut();
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", &settings.registration.client_id)
        .append_pair("redirect_uri", &settings.redirect_uri)
        .append_pair("scope", &scopes.join(" "))
        .append_pair("state", attempt.state.expose())
        .append_pair("nonce", attempt.nonce.expose())
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256");
    if let Some(audience) = &settings.audience {
        query.append_pair("audience", audience);
    }
    if settings.response_mode == ResponseMode::FormPost {
        query.append_pair("response_mode", "form_post");
    }
    query.extend_pairs(attempt.requested.iter());
    if screen == Screen::SignUp {
        // No parameter may be repeated (RFC 6749, section 3.1): those of the settings replace these.
        if attempt.requested.get("screen_hint").is_none() {
            query.append_pair("screen_hint", "signup");
        }
        if metadata.supports_prompt_create && attempt.requested.get("prompt").is_none() {
            query.append_pair("prompt", "create");
        }
    }
    drop(query);
    url
}

/// Pushes the request and returns the address that refers to it (RFC 9126, sections 2 and 4): the
/// browser carries a reference only, which nobody can change.
async fn push(
    provider: &OidcProvider,
    metadata: &Metadata,
    request: &Url,
) -> Result<Url, ProviderError> {
    let invalid = |cause: String| ProviderError::invalid(PUSHED_REQUEST_ENDPOINT, cause);
    let Some(endpoint) = &metadata.pushed_request_endpoint else {
        return Err(ProviderError::Misconfigured(format!(
            "{PUSHED_REQUEST_ENDPOINT}: not named in the metadata; check OIDC_PAR"
        )));
    };
    let parameters: Vec<_> = request.query_pairs().collect();
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| (&**name, &**value)).collect();
    let answer =
        client_auth::post(provider, metadata, PUSHED_REQUEST_ENDPOINT, endpoint, &parameters)
            .await?;
    let response = &answer.response;
    if !response.status().is_success() {
        let refusal = answer.refusal(&provider.settings.registration, PUSHED_REQUEST_ENDPOINT);
        // The next request would be the same.
        let is_final =
            error_code(response).is_some_and(|code| is_about_the_request(&code, response.status()));
        return Err(match refusal {
            ProviderError::InvalidResponse(text) if is_final => ProviderError::Misconfigured(text),
            refusal => refusal,
        });
    }
    let body = parse_json(response.body()).unwrap_or_default();
    let request_uri = body.get("request_uri").and_then(|uri| uri.as_str());
    let Some(request_uri) = request_uri.filter(|uri| !uri.is_empty()) else {
        return Err(invalid(format!("the answer has no request_uri: {}", outline(response))));
    };
    let mut url = metadata.authorization_endpoint.clone();
    url.query_pairs_mut()
        .append_pair("client_id", &provider.settings.registration.client_id)
        .append_pair("request_uri", request_uri);
    Ok(url)
}
