//! Why the provider gave no answer that can be used.

use http::header;
use portico_domain::ports::{ProviderUnavailable, RedeemError, RefreshError};
use serde_json::{Map, Value};
use url::Url;

use crate::http::{HttpClient, HttpError};

/// The provider did not do its part. The text is for the log and holds no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// No answer in time.
    Timeout(String),
    /// Out of reach, or an answer that makes no sense.
    Nonsense(String),
}

impl Fault {
    pub(super) fn of_http(who: &str, error: &HttpError) -> Self {
        let text = format!("{who}: {error}");
        if *error == HttpError::Timeout { Self::Timeout(text) } else { Self::Nonsense(text) }
    }
}

impl From<Fault> for ProviderUnavailable {
    fn from(fault: Fault) -> Self {
        let (Fault::Timeout(text) | Fault::Nonsense(text)) = fault;
        Self(text)
    }
}

impl From<Fault> for RedeemError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Timeout(text) => Self::ProviderTimeout(text),
            Fault::Nonsense(text) => Self::ProviderFault(text),
        }
    }
}

impl From<Fault> for RefreshError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Timeout(text) => Self::ProviderTimeout(text),
            Fault::Nonsense(text) => Self::ProviderFault(text),
        }
    }
}

/// Foreign text for the log: control characters escaped, cut after 200 characters.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", text.chars().take(200).flat_map(char::escape_debug).collect::<String>())
}

/// Gets a JSON object. `who` names the endpoint in the error.
pub(super) async fn get_object(
    http: &HttpClient,
    who: &str,
    url: &Url,
) -> Result<Map<String, Value>, Fault> {
    let request = http::Request::get(url.as_str()).header(header::ACCEPT, "application/json");
    object(who, &get(http, who, request).await?)
}

/// The answer to a GET, which must be 200.
pub(super) async fn get(
    http: &HttpClient,
    who: &str,
    request: http::request::Builder,
) -> Result<http::Response<Vec<u8>>, Fault> {
    let nonsense = |why: String| Fault::Nonsense(format!("{who}: {why}"));
    // The error of a header that cannot be sent does not say what is in it.
    let request = request.body(Vec::new()).map_err(|error| nonsense(error.to_string()))?;
    let answer = http.send(request).await.map_err(|error| Fault::of_http(who, &error))?;
    match answer.status() {
        http::StatusCode::OK => Ok(answer),
        other => Err(nonsense(format!("status {}", other.as_u16()))),
    }
}

/// The body as a JSON object.
pub(super) fn object(
    who: &str,
    answer: &http::Response<Vec<u8>>,
) -> Result<Map<String, Value>, Fault> {
    let nonsense = |why: String| Fault::Nonsense(format!("{who}: {why}"));
    may_be_json(answer).map_err(nonsense)?;
    match serde_json::from_slice(answer.body()) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(nonsense("the answer is no JSON object".into())),
        Err(error) => Err(nonsense(format!("the answer is no JSON: {error}"))),
    }
}

/// Refuses what calls itself something else than JSON: a page, a picture, a file that somebody
/// uploaded. Plain text and bytes pass, as do answers without a type, for key sets and tokens come
/// under those too.
pub(super) fn may_be_json(answer: &http::Response<Vec<u8>>) -> Result<(), String> {
    let Some(kind) = answer.headers().get(header::CONTENT_TYPE) else { return Ok(()) };
    let kind = String::from_utf8_lossy(kind.as_bytes()).to_ascii_lowercase();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    let bytes = ["text/plain", "application/octet-stream", "binary/octet-stream", ""];
    let ends = ["/json", "+json", "/javascript", "/x-javascript"];
    if bytes.contains(&essence) || ends.iter().any(|end| essence.ends_with(end)) {
        return Ok(());
    }
    Err(format!("the answer calls itself {}", quoted(essence)))
}
