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
    /// The settings, or this site's registration at the provider, have to be corrected. Names the
    /// settings.
    #[error("{0}")]
    Misconfigured(String),
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
        match error {
            ProviderError::Misconfigured(text) => Self::Misconfigured(text),
            ProviderError::Timeout(text)
            | ProviderError::Unreachable(text)
            | ProviderError::InvalidResponse(text) => Self::Outage(text),
        }
    }
}

impl From<ProviderError> for RedeemError {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Timeout(text) => Self::ProviderTimeout(text),
            ProviderError::Unreachable(text) | ProviderError::InvalidResponse(text) => {
                Self::ProviderFault(text)
            }
            ProviderError::Misconfigured(text) => Self::Misconfigured(text),
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
            ProviderError::Misconfigured(text) => Self::Misconfigured(text),
        }
    }
}

/// Maximum length of the provider's error description in the log, in characters.
const MAX_QUOTED: usize = 400;
/// Maximum length of the provider's error code in the log, in characters.
const MAX_QUOTED_CODE: usize = 100;

/// Untrusted text for the log: without control characters, cut after [`MAX_QUOTED`] characters.
/// Characters that change how text is displayed are escaped.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", printable(text, MAX_QUOTED))
}

fn printable(text: &str, max_chars: usize) -> String {
    let text = text.chars().filter(|letter| !letter.is_control()).take(max_chars);
    let escape = |letter: char| {
        let is_quote = matches!(letter, '"' | '\'' | '\\');
        let escaped = (!is_quote).then(|| letter.escape_debug());
        escaped.into_iter().flatten().chain(is_quote.then_some(letter))
    };
    text.flat_map(escape).collect()
}

/// What a refusal says, for the log: the status; the OAuth error and its description (RFC 6749,
/// section 5.2), or the media type of anything else; the challenge (RFC 6750, section 3). The body is
/// not quoted otherwise: it may hold tokens. `redact` removes the secrets of the request, which some
/// providers repeat.
pub(super) fn describe(
    response: &Response<Vec<u8>>,
    redact: &(dyn Fn(&str) -> String + Sync),
) -> String {
    let body = parse_json(response.body()).unwrap_or_default();
    let member = |name: &str| body.get(name).and_then(Value::as_str);
    let mut text = match member("error") {
        Some(error) => {
            // Before the text is cut, which would leave half a secret.
            let description = redact(member("error_description").unwrap_or("no reason given"));
            format!(
                "status {}, `{} ({})`",
                response.status().as_u16(),
                printable(&redact(error), MAX_QUOTED_CODE),
                printable(&description, MAX_QUOTED)
            )
        }
        None => format!("malformed answer: {}", outline(response)),
    };
    let challenges = response.headers().get_all(header::WWW_AUTHENTICATE).iter();
    for challenge in challenges {
        let challenge = redact(&String::from_utf8_lossy(challenge.as_bytes()));
        text += &format!(", WWW-Authenticate {}", quoted(&challenge));
    }
    // Once more: a secret may have had control characters in it.
    redact(&text)
}

/// The status and the media type, for the log.
pub(super) fn outline(response: &Response<Vec<u8>>) -> String {
    let media_type = response.headers().get(header::CONTENT_TYPE);
    let media_type = media_type
        .map_or_else(|| "none".into(), |it| quoted(&String::from_utf8_lossy(it.as_bytes())));
    format!("status {}, media type {media_type}", response.status().as_u16())
}

/// The OAuth error (RFC 6749, section 5.2). `None` where the body holds none.
pub(super) fn error_code(response: &Response<Vec<u8>>) -> Option<String> {
    let body = parse_json(response.body()).ok()?;
    body.get("error")?.as_str().map(str::to_owned)
}

/// Whether the OAuth error is about the request itself, so that the same request will fail again. Other
/// statuses than those of RFC 6749, section 5.2, come from a proxy, a framework or a rate limit.
pub(super) fn is_about_the_request(code: &str, status: StatusCode) -> bool {
    let passing = ["temporarily_unavailable", "server_error", "too_many_requests", "slow_down"];
    [StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status)
        && !passing.contains(&code)
}

/// Parses JSON, also after a byte order mark, which some servers put before a file (RFC 8259, section
/// 8.1).
pub(super) fn parse_json(body: &[u8]) -> serde_json::Result<Value> {
    serde_json::from_slice(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body))
}

/// The answer to a GET request, of any status.
pub(super) async fn get_any(
    http: &HttpClient,
    endpoint: &str,
    request: http::request::Builder,
) -> Result<Response<Vec<u8>>, ProviderError> {
    // The error for a header that cannot be sent does not hold its value.
    let request =
        request.body(Vec::new()).map_err(|error| ProviderError::invalid(endpoint, error))?;
    let response = http.send(request).await;
    response.map_err(|error| ProviderError::from_http(endpoint, &error))
}

/// The request for a JSON object.
pub(super) fn request_for_json(url: &url::Url) -> http::request::Builder {
    Request::get(url.as_str()).header(header::ACCEPT, "application/json")
}

/// Gets a JSON object.
pub(super) async fn get_json_object(
    http: &HttpClient,
    endpoint: &str,
    url: &url::Url,
) -> Result<Map<String, Value>, ProviderError> {
    json_object(endpoint, &get_any(http, endpoint, request_for_json(url)).await?)
}

/// The body of an answer with status 200 as a JSON object.
pub(super) fn json_object(
    endpoint: &str,
    response: &Response<Vec<u8>>,
) -> Result<Map<String, Value>, ProviderError> {
    let invalid = |cause: String| Err(ProviderError::invalid(endpoint, cause));
    if response.status() != StatusCode::OK {
        return invalid(describe(response, &str::to_owned));
    }
    check_media_type(response).map_err(|cause| ProviderError::invalid(endpoint, cause))?;
    match parse_json(response.body()) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => invalid(format!("the answer is no JSON object: {}", outline(response))),
        // Says where the syntax is wrong, without quoting the body.
        Err(error) => invalid(format!("the answer is no JSON: {error}; {}", outline(response))),
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
