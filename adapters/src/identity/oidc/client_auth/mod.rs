//! Authentication of this client at the provider's endpoints (OpenID Connect Core, section 9; RFC
//! 6749, section 2.3): at the token endpoint, and in the same way at those for revocation (RFC
//! 7009, section 2.1) and pushed authorization requests (RFC 9126, section 2).

mod private_key;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, Request, Response, header};
use url::{Url, form_urlencoded};

pub use self::private_key::{ClientKey, InvalidClientKey};
use super::{OidcProvider, OidcSettings, discovery::Metadata, error::ProviderError};
use crate::http::HttpClient;

/// The type of [`ClientKey::assertion`] (RFC 7523, section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Parameters that must not appear in a log, even where the provider's error text repeats them.
const SECRET_PARAMETERS: [&str; 6] =
    ["code", "code_verifier", "refresh_token", "token", "client_secret", "client_assertion"];

/// A form with the client's authentication, to be posted once: an assertion is valid for one
/// request.
pub(super) struct AuthenticatedForm {
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
    pub(super) fn new(
        provider: &OidcProvider,
        metadata: &Metadata,
        fields: &[(&str, &str)],
    ) -> Result<Self, ProviderError> {
        let settings = &*provider.settings;
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let secret = settings.client_secret.as_ref().map(|secret| secret.secret().clone());
        let mut form = Self { fields: fields.collect(), basic: None, secret };
        match (&settings.client_key, &settings.client_secret) {
            // private_key_jwt
            (Some(key), _) => {
                let assertion =
                    key.assertion(&settings.client_id, metadata, provider.clock.now())?;
                form.set_client_id(settings);
                form.set("client_assertion_type", ASSERTION_TYPE);
                form.set("client_assertion", &assertion);
            }
            // client_secret_post
            (None, Some(secret)) if secret_goes_in_body(settings, metadata) => {
                form.set_client_id(settings);
                form.set("client_secret", secret.secret());
            }
            // client_secret_basic (RFC 6749, section 2.3.1)
            (None, Some(secret)) => {
                let user = form_encoded(&settings.client_id);
                let credentials = format!("{user}:{}", form_encoded(secret.secret()));
                let basic = format!("Basic {}", STANDARD.encode(credentials));
                let mut basic = HeaderValue::try_from(basic).map_err(|_| {
                    ProviderError::InvalidResponse("the client secret cannot be sent".into())
                })?;
                basic.set_sensitive(true);
                form.basic = Some(basic);
            }
            // A public client only identifies itself.
            (None, None) => form.set_client_id(settings),
        }
        Ok(form)
    }

    /// Sends the form; the answer may have any status. `name` names the endpoint in the error,
    /// which holds nothing of the form.
    pub(super) async fn post(
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
    pub(super) fn redact(&self, text: &str) -> String {
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
            self.set("client_id", &settings.client_id);
        }
    }
}

/// Whether the provider takes the secret in the body only, or in both places and HTTP Basic would
/// have to encode it: RFC 6749, section 2.3.1, has it form-encoded there, which some providers do
/// not decode.
fn secret_goes_in_body(settings: &OidcSettings, metadata: &Metadata) -> bool {
    let secret = settings.client_secret.as_ref().map_or("", |secret| secret.secret());
    let needs_encoding =
        [settings.client_id.as_str(), secret].into_iter().any(|text| form_encoded(text) != text);
    metadata.supports_client_secret_post
        && (needs_encoding || !metadata.supports_client_secret_basic)
}

fn form_encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
