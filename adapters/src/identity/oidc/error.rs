//! Errors of requests to the provider, and the checks that all its answers share.

use http::{Request, Response, StatusCode, header};
use portico_domain::ports::{ProviderUnavailable, RedeemError, RefreshError};
use serde_json::{Map, Value};

use crate::http::{HttpClient, HttpError};

/// A request to the provider failed. The text is for the log and holds no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProviderError {
    /// The provider did not answer in time.
    #[error("{0}")]
    Timeout(String),
    /// The connection failed or broke off: the request may or may not have arrived.
    #[error("{0}")]
    Unreachable(String),
    /// The answer cannot be used, or no request can be made.
    #[error("{0}")]
    InvalidResponse(String),
}

impl ProviderError {
    /// `endpoint` names the endpoint in the text.
    pub(super) fn from_http(endpoint: &str, error: &HttpError) -> Self {
        let text = format!("{endpoint}: {error}");
        match error {
            HttpError::Timeout => Self::Timeout(text),
            HttpError::Unreachable(_) => Self::Unreachable(text),
            HttpError::TooLarge(_) => Self::InvalidResponse(text),
        }
    }

    /// `endpoint` names the endpoint in the text.
    pub(super) fn invalid(endpoint: &str, cause: impl std::fmt::Display) -> Self {
        Self::InvalidResponse(format!("{endpoint}: {cause}"))
    }
}

impl From<ProviderError> for ProviderUnavailable {
    fn from(error: ProviderError) -> Self {
        Self(error.to_string())
    }
}

impl From<ProviderError> for RedeemError {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Timeout(text) => Self::ProviderTimeout(text),
            ProviderError::Unreachable(text) | ProviderError::InvalidResponse(text) => {
                Self::ProviderFault(text)
            }
        }
    }
}

impl From<ProviderError> for RefreshError {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Timeout(text) => Self::ProviderTimeout(text),
            ProviderError::Unreachable(text) | ProviderError::InvalidResponse(text) => {
                Self::ProviderFault(text)
            }
        }
    }
}

/// Untrusted text for the log: control characters escaped, cut after 200 characters.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", text.chars().take(200).flat_map(char::escape_debug).collect::<String>())
}

/// The answer to a GET request, which must have status 200.
pub(super) async fn get(
    http: &HttpClient,
    endpoint: &str,
    request: http::request::Builder,
) -> Result<Response<Vec<u8>>, ProviderError> {
    // The error for a header that cannot be sent does not hold its value.
    let request =
        request.body(Vec::new()).map_err(|error| ProviderError::invalid(endpoint, error))?;
    let response = http.send(request).await;
    let response = response.map_err(|error| ProviderError::from_http(endpoint, &error))?;
    match response.status() {
        StatusCode::OK => Ok(response),
        other => Err(ProviderError::invalid(endpoint, format_args!("status {}", other.as_u16()))),
    }
}

/// Gets a JSON object.
pub(super) async fn get_json_object(
    http: &HttpClient,
    endpoint: &str,
    url: &url::Url,
) -> Result<Map<String, Value>, ProviderError> {
    let request = Request::get(url.as_str()).header(header::ACCEPT, "application/json");
    json_object(endpoint, &get(http, endpoint, request).await?)
}

/// The body as a JSON object.
pub(super) fn json_object(
    endpoint: &str,
    response: &Response<Vec<u8>>,
) -> Result<Map<String, Value>, ProviderError> {
    check_media_type(response).map_err(|cause| ProviderError::invalid(endpoint, cause))?;
    match serde_json::from_slice(response.body()) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ProviderError::invalid(endpoint, "the answer is no JSON object")),
        // Says where the syntax is wrong, without quoting the body.
        Err(error) => {
            Err(ProviderError::invalid(endpoint, format_args!("the answer is no JSON: {error}")))
        }
    }
}

/// Refuses an answer whose media type is something else than JSON, such as a page or an uploaded
/// file. Plain text, bytes and a missing type are accepted: providers send key sets and tokens
/// under those too.
pub(super) fn check_media_type(response: &Response<Vec<u8>>) -> Result<(), String> {
    let Some(media_type) = response.headers().get(header::CONTENT_TYPE) else { return Ok(()) };
    let media_type = String::from_utf8_lossy(media_type.as_bytes()).to_ascii_lowercase();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let untyped = ["text/plain", "application/octet-stream", "binary/octet-stream", ""];
    let json = ["/json", "+json", "/javascript", "/x-javascript"];
    if untyped.contains(&essence) || json.iter().any(|end| essence.ends_with(end)) {
        return Ok(());
    }
    Err(format!("the answer has media type {}", quoted(essence)))
}
