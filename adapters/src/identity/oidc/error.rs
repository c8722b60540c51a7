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

impl ProviderError {
    /// The same without this secret in its text.
    pub(super) fn without(self, secret: &str) -> Self {
        let remove = |text: String| match secret {
            "" => text,
            secret => text.replace(secret, "…"),
        };
        match self {
            Self::Timeout(text) => Self::Timeout(remove(text)),
            Self::Unreachable(text) => Self::Unreachable(remove(text)),
            Self::InvalidResponse(text) => Self::InvalidResponse(remove(text)),
        }
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

/// Maximum length of the provider's error description in the log, in characters.
const MAX_QUOTED: usize = 400;

/// Untrusted text for the log: without control characters, cut after [`MAX_QUOTED`] characters.
/// Characters that change how text is displayed are escaped.
pub(super) fn quoted(text: &str) -> String {
    let text = text.chars().filter(|letter| !letter.is_control()).take(MAX_QUOTED);
    let escape = |letter: char| {
        let is_quote = matches!(letter, '"' | '\'' | '\\');
        let escaped = (!is_quote).then(|| letter.escape_debug());
        escaped.into_iter().flatten().chain(is_quote.then_some(letter))
    };
    format!("`{}`", text.flat_map(escape).collect::<String>())
}

/// What a refusal says, for the log: the status; the OAuth error and its description (RFC 6749,
/// section 5.2), or the media type of anything else; the challenge (RFC 6750, section 3). The body is
/// not quoted otherwise: it may hold tokens. An error that the settings cause names them.
pub(super) fn describe(response: &Response<Vec<u8>>) -> String {
    let header = |name| {
        let value = response.headers().get(name)?;
        Some(quoted(&String::from_utf8_lossy(value.as_bytes())))
    };
    let mut text = format!("status {}", response.status().as_u16());
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    let member = |name: &str| body.get(name).and_then(Value::as_str);
    match member("error") {
        Some(error) => {
            let description = member("error_description").unwrap_or("no reason given");
            text += &format!(", {}", quoted(&format!("{error} ({description})")));
            if let Some(advice) = advice(error) {
                text += &format!("; {advice}");
            }
        }
        None => {
            let media_type = header(header::CONTENT_TYPE).unwrap_or_else(|| "none".into());
            text += &format!(", malformed answer, media type {media_type}");
        }
    }
    if let Some(challenge) = header(header::WWW_AUTHENTICATE) {
        text += &format!(", WWW-Authenticate {challenge}");
    }
    text
}

/// The settings to look at for an OAuth error (RFC 6749, sections 4.1.2.1 and 5.2). `None` where no
/// setting causes it.
pub(super) fn advice(error: &str) -> Option<&'static str> {
    match error {
        "invalid_client" | "unauthorized_client" => Some(
            "check OIDC_CLIENT_ID, OIDC_CLIENT_SECRET and OIDC_CLIENT_AUTH_METHOD \
             (AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET for Auth0)",
        ),
        "invalid_scope" => Some("check OIDC_SCOPES"),
        _ => None,
    }
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
        _ => Err(ProviderError::invalid(endpoint, describe(&response))),
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
    // A byte order mark, which some servers put before a file (RFC 8259, section 8.1).
    let body = response.body();
    match serde_json::from_slice(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)) {
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
