//! Authentication of this client at the provider's endpoints (OpenID Connect Core, section 9; RFC
//! 6749, section 2.3): at the token endpoint, and in the same way at those for revocation (RFC
//! 7009, section 2.1) and pushed authorization requests (RFC 9126, section 2).

mod private_key;

use std::sync::{PoisonError, RwLock};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, Request, Response, StatusCode, header};
use url::{Url, form_urlencoded};

pub use self::private_key::{ClientKey, InvalidClientKey};
use super::{
    ClientAuthMethod, OidcProvider, OidcSettings, Registration,
    discovery::Metadata,
    error::{ProviderError, describe, error_code},
};
use crate::http::HttpClient;

/// The type of [`ClientKey::assertion`] (RFC 7523, section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Parameters that must not appear in a log, even where the provider's error text repeats them.
const SECRET_PARAMETERS: [&str; 8] = [
    "code",
    "code_verifier",
    "refresh_token",
    "token",
    "client_secret",
    "client_assertion",
    "state",
    "nonce",
];

/// The method that the provider accepted after it had refused the first one.
#[derive(Default)]
pub(super) struct WorkingMethod(RwLock<Option<ClientAuthMethod>>);

impl WorkingMethod {
    /// `None` while no provider has refused the first one.
    pub(super) fn get(&self) -> Option<ClientAuthMethod> {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, method: ClientAuthMethod) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(method);
    }
}

/// The answer to an authenticated request.
pub(super) struct AuthenticatedResponse {
    /// Of any status.
    pub(super) response: Response<Vec<u8>>,
    form: AuthenticatedForm,
}

impl AuthenticatedResponse {
    /// The error for an answer that is a refusal: [`ProviderError::Misconfigured`] where settings cause
    /// it. `endpoint` names the endpoint in the text.
    pub(super) fn refusal(&self, registration: &Registration, endpoint: &str) -> ProviderError {
        let description = describe(&self.response, &|text| self.form.redact(text));
        let text = format!("{endpoint}: {description}");
        let code = error_code(&self.response);
        // From Auth0, `access_denied` with 401 means an unknown client or a wrong secret. Elsewhere
        // the error is the user's refusal, which no endpoint reports that the site itself requests.
        let code = match code.as_deref() {
            Some("access_denied") if self.response.status() == StatusCode::UNAUTHORIZED => {
                Some("invalid_client")
            }
            code => code,
        };
        match code.and_then(|code| registration.settings_behind(code)) {
            Some(settings) => ProviderError::Misconfigured(format!("{text}; check {settings}")),
            None => ProviderError::InvalidResponse(text),
        }
    }
}

/// Posts the fields with the client's authentication. `name` names the endpoint in the error, which
/// holds nothing of the form.
///
/// Metadata list what the provider supports, not what this client is registered for. Where no method
/// is set and the provider refuses the client, the other listed way to send the secret is tried once,
/// and used from then on if it works.
///
/// # Errors
/// A [`ProviderError`] when the request cannot be made or has no answer.
pub(super) async fn post(
    provider: &OidcProvider,
    metadata: &Metadata,
    name: &str,
    endpoint: &Url,
    fields: &[(&str, &str)],
) -> Result<AuthenticatedResponse, ProviderError> {
    let settings = &*provider.settings;
    let method = provider.client_auth.get().unwrap_or_else(|| default_method(settings, metadata));
    let form = AuthenticatedForm::new(provider, metadata, fields, method)?;
    let response = form.post(&provider.http, name, endpoint).await?;
    let refused = AuthenticatedResponse { response, form };
    let other = other_method(settings, metadata, method);
    let Some(other) = other.filter(|_| refuses_client(&refused.response)) else {
        return Ok(refused);
    };
    let form = AuthenticatedForm::new(provider, metadata, fields, other)?;
    let response = form.post(&provider.http, name, endpoint).await?;
    if refuses_client(&response) {
        return Ok(refused);
    }
    provider.client_auth.set(other);
    log::warn!(
        "the provider refused {} and accepted {}: set OIDC_CLIENT_AUTH_METHOD={}",
        method.name(),
        other.name(),
        other.name(),
    );
    Ok(AuthenticatedResponse { response, form })
}

/// What is set; else what fits the credentials and the metadata (OpenID Connect Core, section 9:
/// `client_secret_basic` where nothing is listed).
fn default_method(settings: &OidcSettings, metadata: &Metadata) -> ClientAuthMethod {
    if let Some(method) = settings.registration.client_auth_method {
        return method;
    }
    match (&settings.registration.client_key, &settings.registration.client_secret) {
        (Some(_), _) => ClientAuthMethod::PrivateKeyJwt,
        (None, None) => ClientAuthMethod::None,
        (None, Some(_))
            if metadata.supports_client_secret_post && !metadata.supports_client_secret_basic =>
        {
            ClientAuthMethod::ClientSecretPost
        }
        (None, Some(_)) => ClientAuthMethod::ClientSecretBasic,
    }
}

/// The other way to send the secret, where none is set and the provider lists it.
fn other_method(
    settings: &OidcSettings,
    metadata: &Metadata,
    method: ClientAuthMethod,
) -> Option<ClientAuthMethod> {
    let other = match method {
        ClientAuthMethod::ClientSecretBasic if metadata.supports_client_secret_post => {
            ClientAuthMethod::ClientSecretPost
        }
        ClientAuthMethod::ClientSecretPost if metadata.supports_client_secret_basic => {
            ClientAuthMethod::ClientSecretBasic
        }
        _ => return None,
    };
    settings.registration.client_auth_method.is_none().then_some(other)
}

/// Whether the answer is `invalid_client` or `unauthorized_client` (RFC 6749, section 5.2).
fn refuses_client(response: &Response<Vec<u8>>) -> bool {
    !response.status().is_success()
        && error_code(response)
            .is_some_and(|code| ["invalid_client", "unauthorized_client"].contains(&&*code))
}

/// A form with the client's authentication, to be posted once: an assertion is valid for one
/// request.
struct AuthenticatedForm {
    fields: Vec<(String, String)>,
    /// The value of the `Authorization` header, where the client authenticates by HTTP Basic.
    basic: Option<HeaderValue>,
    secret: Option<String>,
}

impl AuthenticatedForm {
    /// Adds the client's authentication to the fields.
    ///
    /// # Errors
    /// [`ProviderError::InvalidResponse`] when the assertion cannot be signed.
    fn new(
        provider: &OidcProvider,
        metadata: &Metadata,
        fields: &[(&str, &str)],
        method: ClientAuthMethod,
    ) -> Result<Self, ProviderError> {
        let settings = &*provider.settings;
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let secret =
            settings.registration.client_secret.as_ref().map(|secret| secret.secret().clone());
        let mut form = Self { fields: fields.collect(), basic: None, secret };
        match (method, &settings.registration.client_key, &settings.registration.client_secret) {
            (ClientAuthMethod::PrivateKeyJwt, Some(key), _) => {
                let assertion = key.assertion(
                    &settings.registration.client_id,
                    metadata,
                    provider.clock.now(),
                )?;
                form.set_client_id(settings);
                form.set("client_assertion_type", ASSERTION_TYPE);
                form.set("client_assertion", &assertion);
            }
            (ClientAuthMethod::ClientSecretPost, _, Some(secret)) => {
                form.set_client_id(settings);
                form.set("client_secret", secret.secret());
            }
            // RFC 6749, section 2.3.1: both parts are form-encoded.
            (ClientAuthMethod::ClientSecretBasic, _, Some(secret)) => {
                let user = form_encoded(&settings.registration.client_id);
                let credentials = format!("{user}:{}", form_encoded(secret.secret()));
                let basic = format!("Basic {}", STANDARD.encode(credentials));
                let mut basic = HeaderValue::try_from(basic).map_err(|_| {
                    ProviderError::InvalidResponse("the client secret cannot be sent".into())
                })?;
                basic.set_sensitive(true);
                form.basic = Some(basic);
            }
            // A public client only identifies itself.
            _ => form.set_client_id(settings),
        }
        Ok(form)
    }

    /// Sends the form; the answer may have any status.
    async fn post(
        &self,
        http: &HttpClient,
        name: &str,
        endpoint: &Url,
    ) -> Result<Response<Vec<u8>>, ProviderError> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.fields)
            .finish()
            .into_bytes();
        let mut request = Request::post(endpoint.as_str())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json");
        if let Some(basic) = &self.basic {
            request = request.header(header::AUTHORIZATION, basic);
        }
        let request = request
            .body(body)
            .map_err(|_| ProviderError::invalid(name, "the request cannot be built"))?;
        http.send(request).await.map_err(|error| ProviderError::from_http(name, &error))
    }

    /// The text without this form's secrets: some providers repeat the code in their error.
    fn redact(&self, text: &str) -> String {
        let secrets = self.fields.iter().filter_map(|(name, value)| {
            SECRET_PARAMETERS.contains(&name.as_str()).then_some(value)
        });
        secrets
            .chain(&self.secret)
            .filter(|secret| !secret.is_empty())
            .fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "…"))
    }

    fn set(&mut self, name: &str, value: &str) {
        self.fields.push((name.into(), value.into()));
    }

    /// Pushed authorization requests have the parameter already.
    fn set_client_id(&mut self, settings: &OidcSettings) {
        if !self.fields.iter().any(|(name, _)| name == "client_id") {
            self.set("client_id", &settings.registration.client_id);
        }
    }
}

fn form_encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
