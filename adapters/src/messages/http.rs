use async_trait::async_trait;
use http::{Request, Response, StatusCode, header};
use portico_domain::{
    model::{Check, Message, Reader, Topic},
    ports::{MessageApi, MessageError, RefusalReason},
};
use serde_json::Value;
use url::Url;

use crate::http::{HttpClient, HttpError};

/// A messages API with the paths of Auth0's hello-world API samples.
#[derive(Clone, Debug)]
pub struct HttpMessages {
    base_url: String,
    http: HttpClient,
}

/// The API's address cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("API_SERVER_URL must be an absolute http(s) address")]
pub struct InvalidAddress;

impl HttpMessages {
    /// Uses the API at this address, which may have a path.
    ///
    /// # Errors
    /// [`InvalidAddress`] when it is no absolute `http` or `https` URL, or has a query.
    pub fn new(address: &str, http: HttpClient) -> Result<Self, InvalidAddress> {
        let url = Url::parse(address).map_err(|_| InvalidAddress)?;
        if !matches!(url.scheme(), "http" | "https") || url.query().is_some() {
            return Err(InvalidAddress);
        }
        Ok(Self { base_url: address.trim_end_matches('/').to_owned(), http })
    }
}

#[async_trait]
impl MessageApi for HttpMessages {
    async fn read(&self, topic: Topic, reader: Option<Reader>) -> Result<Message, MessageError> {
        let url = format!("{}/api/messages/{}", self.base_url, topic.as_str());
        let mut request = Request::get(url).header(header::ACCEPT, "application/json");
        if let Some(Reader { access_token: token, .. }) = reader {
            // RFC 6750, section 2.1.
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        // The cause is left out: it might quote the header.
        let request = request
            .body(Vec::new())
            .map_err(|_| MessageError::Failed("the request cannot be built".into()))?;
        let response = self.http.send(request).await.map_err(|error| match error {
            HttpError::Timeout => MessageError::Timeout,
            error => MessageError::Failed(error.to_string()),
        })?;
        message(&response)
    }

    async fn examine(&self) -> Vec<Check> {
        let public = format!("{} answers without an access token", self.base_url);
        let public = Check::of("public", public, self.check().await);
        let protected = match self.read(Topic::Protected, None).await {
            Err(MessageError::Refused { reason: RefusalReason::Unauthenticated, .. }) => {
                Check::passed("protected", "answers 401 without an access token")
            }
            Ok(_) => Check::failed("protected", "readable without an access token"),
            Err(cause) => {
                let expected = "expected 401 for a request without an access token";
                Check::failed("protected", format!("{expected}: {cause}"))
            }
        };
        vec![public, protected]
    }
}

fn message(response: &Response<Vec<u8>>) -> Result<Message, MessageError> {
    let status = response.status();
    let text = message_text(response.body());
    if status.is_success() {
        let missing = || MessageError::Failed(format!("status {}, no message", status.as_u16()));
        return text.map(|text| Message { text }).ok_or_else(missing);
    }
    if !status.is_client_error() {
        return Err(MessageError::Failed(format!("status {}", status.as_u16())));
    }
    let (reason, default) = match status {
        StatusCode::UNAUTHORIZED => (RefusalReason::Unauthenticated, "Requires authentication"),
        StatusCode::FORBIDDEN => (RefusalReason::PermissionDenied, "Permission denied"),
        StatusCode::NOT_FOUND => (RefusalReason::NotFound, "Not Found"),
        StatusCode::TOO_MANY_REQUESTS => (RefusalReason::TooManyRequests, "Too Many Requests"),
        _ => {
            let reason = RefusalReason::Other(status.as_u16());
            (reason, status.canonical_reason().unwrap_or("Refused"))
        }
    };
    Err(MessageError::Refused { reason, text: text.unwrap_or_else(|| default.into()) })
}

/// The field `text` or `message`, as different samples name it. `None` where there is neither.
fn message_text(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = body.get("text").or_else(|| body.get("message"))?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use portico_domain::model::{AccessToken, Permissions};

    use super::*;
    use crate::{http::Limits, tls};

    fn response(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    /// An API that sends one response, and the request that it received.
    async fn start_api(response: String) -> (HttpMessages, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        let request = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(response.as_bytes()).await.unwrap();
            if response.is_empty() {
                // Sends nothing until the client gives up.
                let _ = stream.read_u8().await;
            }
            String::from_utf8(request).unwrap()
        });
        (messages(&address), request)
    }

    fn messages(address: &str) -> HttpMessages {
        let limits = Limits { total: Duration::from_millis(300), ..Limits::default() };
        let http = HttpClient::new(tls::client_config(None).unwrap(), limits).unwrap();
        HttpMessages::new(address, http).unwrap()
    }

    async fn read(response: impl Into<String>) -> Result<Message, MessageError> {
        start_api(response.into()).await.0.read(Topic::Admin, None).await
    }

    #[tokio::test]
    async fn sends_access_token_where_there_is_one() {
        let permissions = Permissions::default();
        let reader = Reader { access_token: AccessToken::new("a.b.c"), permissions };
        for (reader, expected) in [(Some(reader), true), (None, false)] {
            let (api, request) = start_api(response("200 OK", r#"{"text":"hello"}"#)).await;
            api.read(Topic::Protected, reader).await.unwrap();
            let request = request.await.unwrap().to_lowercase();
            assert!(request.starts_with("get /api/messages/protected http/1.1"), "{request}");
            assert_eq!(request.contains("authorization: bearer a.b.c"), expected, "{request}");
        }
    }

    #[tokio::test]
    async fn reads_text_and_message() {
        for body in [r#"{"text":"hello"}"#, r#"{"message":"hello"}"#] {
            assert_eq!(read(response("200 OK", body)).await, Ok(Message { text: "hello".into() }));
        }
    }

    #[tokio::test]
    async fn reports_each_refusal_with_its_reason() {
        for (status, reason, default) in [
            ("401 Unauthorized", RefusalReason::Unauthenticated, "Requires authentication"),
            ("403 Forbidden", RefusalReason::PermissionDenied, "Permission denied"),
            ("404 Not Found", RefusalReason::NotFound, "Not Found"),
            ("429 Too Many Requests", RefusalReason::TooManyRequests, "Too Many Requests"),
            ("409 Conflict", RefusalReason::Other(409), "Conflict"),
            ("499 Whatever", RefusalReason::Other(499), "Refused"),
        ] {
            for (body, text) in [(r#"{"message":"Nope"}"#, "Nope"), ("", default)] {
                let refused = MessageError::Refused { reason, text: text.into() };
                assert_eq!(read(response(status, body)).await, Err(refused), "{status}");
            }
        }
    }

    #[tokio::test]
    async fn reports_unusable_response_as_failure() {
        for unusable in [
            response("200 OK", "<html>"),
            response("200 OK", r#"{"text":7}"#),
            response("500 Oops", r#"{"message":"a stack trace"}"#),
            response("302 Found", ""),
            "nonsense\r\n\r\n".into(),
        ] {
            let result = read(unusable).await;
            assert!(matches!(result, Err(MessageError::Failed(_))), "{result:?}");
        }
    }

    #[tokio::test]
    async fn distinguishes_timeout_from_outage() {
        assert_eq!(read("").await, Err(MessageError::Timeout));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let result = messages(&address).read(Topic::Public, None).await;
        assert!(matches!(result, Err(MessageError::Failed(_))), "{result:?}");
    }
}
