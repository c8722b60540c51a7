use async_trait::async_trait;
use http::{Request, Response, StatusCode, header};
use portico_domain::{
    model::{AccessToken, Message, Topic},
    ports::{MessageApi, MessageError},
};
use serde_json::Value;
use url::Url;

use crate::http::{HttpClient, HttpError};

/// Any of Auth0's hello-world API samples: they all speak these paths.
#[derive(Clone, Debug)]
pub struct HttpMessages {
    base: String,
    http: HttpClient,
}

/// The API's address is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("API_SERVER_URL must be an absolute http(s) address")]
pub struct InvalidAddress;

impl HttpMessages {
    /// Asks the API at this address, which may have a path.
    ///
    /// # Errors
    /// [`InvalidAddress`] when it is no absolute `http` or `https` address.
    pub fn new(address: &str, http: HttpClient) -> Result<Self, InvalidAddress> {
        let url = Url::parse(address).map_err(|_| InvalidAddress)?;
        if !matches!(url.scheme(), "http" | "https") || url.query().is_some() {
            return Err(InvalidAddress);
        }
        Ok(Self { base: address.trim_end_matches('/').to_owned(), http })
    }
}

#[async_trait]
impl MessageApi for HttpMessages {
    async fn read(
        &self,
        topic: Topic,
        token: Option<AccessToken>,
    ) -> Result<Message, MessageError> {
        let at_fault = |why: String| MessageError::Failed(why);
        let mut request = Request::get(format!("{}/api/messages/{}", self.base, topic.as_str()))
            .header(header::ACCEPT, "application/json");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        // The error would quote the header, and with it the token.
        let request = request.body(Vec::new()).map_err(|_| at_fault("no such request".into()))?;
        let answer = self.http.send(request).await.map_err(|error| match error {
            HttpError::Timeout => MessageError::Timeout,
            error => at_fault(error.to_string()),
        })?;
        understand(&answer)
    }
}

fn understand(answer: &Response<Vec<u8>>) -> Result<Message, MessageError> {
    let status = answer.status();
    let text = text_of(answer.body());
    if status.is_success() {
        let nothing = || MessageError::Failed(format!("it answers {status} without a message"));
        return text.map(|text| Message { text }).ok_or_else(nothing);
    }
    if status.is_client_error() {
        let default = match status {
            StatusCode::UNAUTHORIZED => "Requires authentication",
            StatusCode::FORBIDDEN => "Permission denied",
            _ => status.canonical_reason().unwrap_or("Refused"),
        };
        let text = text.unwrap_or_else(|| default.into());
        return Err(MessageError::Refused { status: status.as_u16(), text });
    }
    Err(MessageError::Failed(format!("it answers {status}")))
}

/// The samples write `text` or `message`. `None` for anything else.
fn text_of(body: &[u8]) -> Option<String> {
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

    use super::*;
    use crate::{http::Limits, tls};

    fn answer(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    /// An API that gives one answer and hands out the request that it got.
    async fn an_api(answer: String) -> (HttpMessages, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        let request = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            if answer.is_empty() {
                // Silent until the client gives up.
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

    async fn read(answer: impl Into<String>) -> Result<Message, MessageError> {
        an_api(answer.into()).await.0.read(Topic::Admin, None).await
    }

    #[tokio::test]
    async fn the_token_goes_along_where_there_is_one() {
        for (token, expected) in [(Some(AccessToken::new("a.b.c")), true), (None, false)] {
            let (api, request) = an_api(answer("200 OK", r#"{"text":"hello"}"#)).await;
            let _ = api.read(Topic::Protected, token).await;
            let request = request.await.unwrap().to_lowercase();
            assert!(request.starts_with("get /api/messages/protected http/1.1"), "{request}");
            assert_eq!(request.contains("authorization: bearer a.b.c"), expected, "{request}");
        }
    }

    #[tokio::test]
    async fn both_forms_of_a_message_are_read() {
        for body in [r#"{"text":"hello"}"#, r#"{"message":"hello"}"#] {
            assert_eq!(read(answer("200 OK", body)).await, Ok(Message { text: "hello".into() }));
        }
    }

    #[tokio::test]
    async fn a_refusal_is_told_in_the_apis_words_or_the_usual_ones() {
        let refused = |status, text: &str| Err(MessageError::Refused { status, text: text.into() });
        let own = answer("403 Forbidden", r#"{"message":"Nope"}"#);
        assert_eq!(read(own).await, refused(403, "Nope"));
        let bare = answer("401 Unauthorized", "");
        assert_eq!(read(bare).await, refused(401, "Requires authentication"));
    }

    #[tokio::test]
    async fn nonsense_is_the_apis_fault() {
        for nonsense in [
            answer("200 OK", "<html>"),
            answer("200 OK", r#"{"text":7}"#),
            answer("500 Oops", r#"{"message":"a stack trace"}"#),
            answer("302 Found", ""),
            "nonsense\r\n\r\n".into(),
        ] {
            let answer = read(nonsense).await;
            assert!(matches!(answer, Err(MessageError::Failed(_))), "{answer:?}");
        }
    }

    #[tokio::test]
    async fn an_api_that_says_nothing_is_silent_and_one_that_is_gone_is_at_fault() {
        assert_eq!(read("").await, Err(MessageError::Timeout));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let answer = messages(&address).read(Topic::Public, None).await;
        assert!(matches!(answer, Err(MessageError::Failed(_))), "{answer:?}");
    }
}
