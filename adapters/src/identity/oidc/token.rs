//! What goes to the authorization and token endpoints, and what comes back.

use std::pin::Pin;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use openidconnect::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, CsrfToken, EndpointNotSet, EndpointSet,
    IssuerUrl, JsonWebKeySet, Nonce, OAuth2TokenResponse, PkceCodeVerifier, RedirectUrl,
    RefreshToken, RequestTokenError, Scope, TokenUrl,
    core::{
        CoreAuthenticationFlow, CoreClient, CoreErrorResponseType, CoreIdToken, CoreTokenResponse,
        CoreTokenType,
    },
};
use portico_domain::{
    model::{self, LoginAttempt, Screen},
    ports::RedeemError,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::{ParseError, Url, form_urlencoded};

use super::{
    OidcProvider,
    client_key::ASSERTION_TYPE,
    fault::{Fault, may_be_json, quoted},
    metadata::Metadata,
    settings::{OidcSettings, ResponseMode},
};
use crate::http::{HttpClient, HttpError};

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
    EndpointNotSet,
>;

fn client(settings: &OidcSettings, metadata: &Metadata) -> Result<Client, Fault> {
    let nonsense = |error: ParseError| Fault::Nonsense(error.to_string());
    let issuer = IssuerUrl::new(metadata.issuer.clone()).map_err(nonsense)?;
    let redirect = RedirectUrl::new(settings.redirect_uri.clone()).map_err(nonsense)?;
    let id = ClientId::new(settings.client_id.clone());
    // The keys are looked after elsewhere; this client verifies nothing.
    let client = CoreClient::new(id, issuer, JsonWebKeySet::new(Vec::new()))
        .set_auth_uri(AuthUrl::from_url(metadata.authorization_endpoint.clone()))
        .set_token_uri(TokenUrl::from_url(metadata.token_endpoint.clone()))
        .set_redirect_uri(redirect)
        .set_auth_type(place_of_the_secret(settings, metadata));
    Ok(match &settings.client_secret {
        Some(secret) if settings.client_key.is_none() => client.set_client_secret(secret.clone()),
        _ => client,
    })
}

/// By Basic, unless the provider takes the secret in the body only, or in both and Basic would
/// change it: RFC 6749, section 2.3.1, has it form-encoded there, which not every provider undoes.
pub(super) fn place_of_the_secret(settings: &OidcSettings, metadata: &Metadata) -> AuthType {
    let is_encoded =
        |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>() != text;
    let secret = settings.client_secret.as_ref().map_or("", |secret| secret.secret());
    let changed = is_encoded(&settings.client_id) || is_encoded(secret);
    if metadata.secret_in_body && (changed || !metadata.secret_in_header) {
        AuthType::RequestBody
    } else {
        AuthType::BasicAuth
    }
}

/// The request for a code (OpenID Connect Core, section 3.1.2.1).
pub(super) fn authorization_url(
    settings: &OidcSettings,
    metadata: &Metadata,
    attempt: &LoginAttempt,
    screen: Screen,
) -> Result<Url, Fault> {
    let client = client(settings, metadata)?;
    // RFC 7636, section 4.2. The library's own way panics on a verifier of an unusual length.
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(attempt.code_verifier.expose()));
    let state = CsrfToken::new(attempt.state.expose().to_owned());
    let nonce = Nonce::new(attempt.nonce.expose().to_owned());
    let mut request = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, move || state, move || nonce)
        // The library asks for `openid` itself.
        .add_scopes(settings.scopes.iter().filter(|it| *it != "openid").cloned().map(Scope::new))
        .add_extra_param("code_challenge", challenge)
        .add_extra_param("code_challenge_method", "S256");
    if let Some(audience) = &settings.audience {
        request = request.add_extra_param("audience", audience.clone());
    }
    for (name, value) in attempt.requested.iter() {
        request = request.add_extra_param(name.to_owned(), value.to_owned());
    }
    if settings.response_mode == ResponseMode::FormPost {
        request = request.add_extra_param("response_mode", "form_post");
    }
    if screen == Screen::SignUp {
        request = request.add_extra_param("screen_hint", "signup");
        if metadata.prompt_create {
            request = request.add_extra_param("prompt", "create");
        }
    }
    Ok(request.url().0)
}

/// Hands the code in (OpenID Connect Core, section 3.1.3).
pub(super) async fn redeem(
    provider: &OidcProvider,
    metadata: &Metadata,
    code: &model::AuthorizationCode,
    attempt: &LoginAttempt,
) -> Result<CoreTokenResponse, RedeemError> {
    let verifier = attempt.code_verifier.expose();
    let client = client(&provider.settings, metadata)?;
    let proof = Proof::of(provider, metadata)?;
    let mut request = client
        .exchange_code(AuthorizationCode::new(code.expose().to_owned()))
        .set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned()));
    for (name, value) in proof.pairs() {
        request = request.add_extra_param(name, value);
    }
    let send = sender(&provider.http);
    let answer = request.request_async(&send).await;
    bearer(answer.map_err(|error| proof.why_not(error, [code.expose(), verifier]))?)
}

/// Hands the refresh token in (OpenID Connect Core, section 12.1).
///
/// An answer that got lost is asked for once more: the provider may have rotated the token, and
/// those that do so mostly take the earlier one for a few seconds more.
pub(super) async fn refresh(
    provider: &OidcProvider,
    metadata: &Metadata,
    refresh_token: &model::RefreshToken,
) -> Result<CoreTokenResponse, RedeemError> {
    let client = client(&provider.settings, metadata)?;
    let token = RefreshToken::new(refresh_token.expose().to_owned());
    let (answer, proof) = match ask(provider, metadata, &client, &token).await? {
        // Asked anew, and proven anew: an assertion is good once.
        (Err(RequestTokenError::Request(HttpError::Unreachable(_))), _) => {
            ask(provider, metadata, &client, &token).await?
        }
        answered => answered,
    };
    bearer(answer.map_err(|error| proof.why_not(error, [refresh_token.expose(), ""]))?)
}

async fn ask(
    provider: &OidcProvider,
    metadata: &Metadata,
    client: &Client,
    token: &RefreshToken,
) -> Result<(Result<CoreTokenResponse, TokenError>, Proof), Fault> {
    let proof = Proof::of(provider, metadata)?;
    let mut request = client.exchange_refresh_token(token);
    for (name, value) in proof.pairs() {
        request = request.add_extra_param(name, value);
    }
    let send = sender(&provider.http);
    Ok((request.request_async(&send).await, proof))
}

/// Sends what the library made, and makes the answer readable to it.
fn sender(http: &HttpClient) -> impl Fn(http::Request<Vec<u8>>) -> Sent {
    let http = http.clone();
    move |request| {
        let http = http.clone();
        Box::pin(async move { http.send(request).await.map(readable) })
    }
}

type Sent = Pin<Box<dyn Future<Output = Result<http::Response<Vec<u8>>, HttpError>> + Send>>;

fn bearer(answer: CoreTokenResponse) -> Result<CoreTokenResponse, RedeemError> {
    match answer.token_type() {
        CoreTokenType::Bearer => Ok(answer),
        _ => Err(RedeemError::ProviderFault("the token type is not Bearer".into())),
    }
}

/// By what a request proves that it is this client's.
struct Proof {
    /// What no log may repeat: the secret or the assertion; empty for a public client.
    secret: String,
    is_assertion: bool,
}

impl Proof {
    fn of(provider: &OidcProvider, metadata: &Metadata) -> Result<Self, Fault> {
        let settings = &provider.settings;
        Ok(match (&settings.client_key, &settings.client_secret) {
            (Some(key), _) => Self {
                secret: key.assertion(&settings.client_id, metadata, provider.clock.now())?,
                is_assertion: true,
            },
            (None, Some(secret)) => Self { secret: secret.secret().clone(), is_assertion: false },
            (None, None) => Self { secret: String::new(), is_assertion: false },
        })
    }

    /// What the library does not add itself.
    fn pairs(&self) -> Vec<(&'static str, String)> {
        if !self.is_assertion {
            return Vec::new();
        }
        let (kind, assertion) = (ASSERTION_TYPE.to_owned(), self.secret.clone());
        vec![("client_assertion_type", kind), ("client_assertion", assertion)]
    }

    /// `sent` are the secrets that went along.
    fn why_not(&self, error: TokenError, sent: [&str; 2]) -> RedeemError {
        let [one, other] = sent;
        why_not(error, [one, other, &self.secret])
    }
}

/// The answer, with what providers get wrong put right: its media type is not quite JSON's, or its
/// `expires_in` is text. One that is no number at all is left out: it is a hint only.
fn readable(mut answer: http::Response<Vec<u8>>) -> http::Response<Vec<u8>> {
    if may_be_json(&answer).is_err() {
        // The library refuses it.
        return answer;
    }
    answer.headers_mut().remove(http::header::CONTENT_TYPE);
    if let Ok(Value::Object(mut fields)) = serde_json::from_slice(answer.body())
        && let Some(given) = fields.remove("expires_in")
    {
        let seconds = given.as_u64().or_else(|| given.as_str()?.parse().ok());
        if let Some(seconds) = seconds {
            fields.insert("expires_in".into(), seconds.into());
        }
        *answer.body_mut() = Value::Object(fields).to_string().into_bytes();
    }
    answer
}

type TokenError =
    RequestTokenError<HttpError, openidconnect::StandardErrorResponse<CoreErrorResponseType>>;

/// Bodies are never quoted: they may hold tokens. `secrets` are what was sent.
fn why_not(error: TokenError, secrets: [&str; 3]) -> RedeemError {
    let who = "the token endpoint";
    match error {
        RequestTokenError::ServerResponse(answer) => {
            let said = answer.error_description().map_or("no reason given", String::as_str);
            let mut text = format!("{} ({})", answer.error().as_ref(), said);
            // Some providers repeat the code in the description.
            for secret in secrets.into_iter().filter(|secret| !secret.is_empty()) {
                text = text.replace(secret, "…");
            }
            let text = quoted(&text);
            match answer.error() {
                CoreErrorResponseType::InvalidGrant => RedeemError::CodeRejected(text),
                _ => RedeemError::ProviderFault(format!("{who} answers {text}")),
            }
        }
        RequestTokenError::Request(error) => Fault::of_http(who, &error).into(),
        RequestTokenError::Parse(_, body) if holds_a_malformed_id_token(&body) => {
            RedeemError::InvalidIdentity("the ID token is malformed".into())
        }
        RequestTokenError::Parse(..) => {
            RedeemError::ProviderFault(format!("{who} answers nonsense"))
        }
        RequestTokenError::Other(why) => RedeemError::ProviderFault(format!("{who}: {why}")),
    }
}

fn holds_a_malformed_id_token(body: &[u8]) -> bool {
    let answer: Option<Value> = serde_json::from_slice(body).ok();
    let token = answer.as_ref().and_then(|answer| answer.get("id_token")?.as_str());
    token.is_some_and(|token| token.parse::<CoreIdToken>().is_err())
}
