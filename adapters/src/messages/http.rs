use async_trait::async_trait;
use http::{StatusCode, header};
use portico_domain::{
    model::{AccessToken, Message, Topic},
    ports::{MessageApi, MessageError},
};
use serde_json::Value;
use url::Url;

use crate::http::{HttpClient, HttpError};

/// Any API that speaks as Auth0's hello-world samples do: `GET /api/messages/…`.
#[derive(Clone, Debug)]
pub struct HttpMessages {
    base: String,
    http: HttpClient,
}

/// The API's base address cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the API's base address must be an absolute http(s) URL without query")]
pub struct InvalidBaseUrl;

impl HttpMessages {
    /// Asks below the base address, `{base}/api/messages/{topic}`; it may have a path, and a
    /// slash at its end.
    ///
    /// # Errors
    /// [`InvalidBaseUrl`] when it is no absolute `http` or `https` URL, or has a query.
    pub fn new(base_url: &str, http: HttpClient) -> Result<Self, InvalidBaseUrl> {
        let url = Url::parse(base_url).map_err(|_| InvalidBaseUrl)?;
        let is_plain = url.query().is_none() && url.fragment().is_none();
        if !is_plain || !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidBaseUrl);
        }
        Ok(Self { base: url.as_str().trim_end_matches('/').to_owned(), http })
    }
}

#[async_trait]
impl MessageApi for HttpMessages {
    async fn read(
        &self,
        topic: Topic,
        token: Option<AccessToken>,
    ) -> Result<Message, MessageError> {
        let at_fault = |why: &str| MessageError::AtFault(why.to_owned());
        let url = format!("{}/api/messages/{}", self.base, topic.as_str());
        let mut request = http::Request::get(url).header(header::ACCEPT, "application/json");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        // The error of a token that cannot be sent does not say what is in it.
        let request = request.body(Vec::new()).map_err(|error| at_fault(&error.to_string()))?;
        let answer = self.http.send(request).await.map_err(|error| match error {
            HttpError::Silent => MessageError::Silent,
            other => MessageError::AtFault(other.to_string()),
        })?;
        let (status, text) = (answer.status(), text_of(answer.body()));
        if status.is_client_error() {
            let text = text.unwrap_or_else(|| default_refusal(status).to_owned());
            Err(MessageError::Refused { status: status.as_u16(), text })
        } else if status != StatusCode::OK {
            Err(at_fault(&format!("status {}", status.as_u16())))
        } else {
            let text = text.ok_or_else(|| at_fault("the answer holds no message"))?;
            Ok(Message { text })
        }
    }
}

/// The words of `{"text": "…"}` or `{"message": "…"}`; `None` for any other body.
fn text_of(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = |name: &str| body.get(name)?.as_str().filter(|text| !text.trim().is_empty());
    text("text").or_else(|| text("message")).map(str::to_owned)
}

/// For an API that refuses without a word.
fn default_refusal(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "Requires authentication",
        StatusCode::FORBIDDEN => "Permission denied",
        other => other.canonical_reason().unwrap_or("Refused"),
    }
}
