//! The HTTP client for the provider and the messages API.

use std::{error::Error, fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use openidconnect::AsyncHttpClient;
use reqwest::redirect;
use rustls::ClientConfig;
use url::{Host, Url};

/// Sends requests with limits for time and size, and follows no redirects: a token endpoint that
/// redirects would make the client send its secret to another host.
///
/// Uses the proxy that `HTTP_PROXY`, `HTTPS_PROXY` or `ALL_PROXY` names, with the exceptions of
/// `NO_PROXY`, but never for a loopback address: a proxy would look for it on its own machine.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: reqwest::Client,
    loopback: reqwest::Client,
    limits: Limits,
    dates: Option<DateObserver>,
}

/// What is told the `Date` of each response.
#[derive(Clone)]
struct DateObserver(Arc<dyn Fn(DateTime<Utc>) + Send + Sync>);

impl fmt::Debug for DateObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DateObserver")
    }
}

/// The limits of one request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time to connect.
    pub connect: Duration,
    /// Total time.
    pub total: Duration,
    /// Size of the response body, in bytes.
    pub bytes: usize,
}

impl Default for Limits {
    /// 3 s to connect, 10 s in total, 1 MiB.
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), total: Duration::from_secs(10), bytes: 1024 * 1024 }
    }
}

impl HttpClient {
    /// Builds the client once; clones share its connections.
    ///
    /// # Errors
    /// [`HttpError::Unreachable`] when no client can be built from the TLS configuration.
    pub fn new(tls: ClientConfig, limits: Limits) -> Result<Self, HttpError> {
        let builder = |tls| {
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls)
                .connect_timeout(limits.connect)
                .timeout(limits.total)
                // Many servers close idle connections after 5 s, and a request under way is then lost.
                .pool_idle_timeout(Duration::from_secs(2))
                .redirect(redirect::Policy::none())
                .user_agent(concat!("portico/", env!("CARGO_PKG_VERSION")))
        };
        let client = builder(tls.clone()).build()?;
        let loopback = builder(tls).no_proxy().build()?;
        Ok(Self { client, loopback, limits, dates: None })
    }

    /// Calls `observer` with the `Date` of each response (RFC 9110, section 6.6.1) that has one.
    #[must_use]
    pub fn with_date_observer(
        self,
        observer: impl Fn(DateTime<Utc>) + Send + Sync + 'static,
    ) -> Self {
        Self { dates: Some(DateObserver(Arc::new(observer))), ..self }
    }

    /// Sends the request and reads the whole answer, whatever its status. A GET is sent once more
    /// when the server hung up on a connection that was kept for it (RFC 9110, section 9.2.2).
    ///
    /// # Errors
    /// An [`HttpError`] when there is no answer, or too much of it.
    pub async fn send(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let client = if is_loopback(request.url()) { &self.loopback } else { &self.client };
        let again = request.try_clone().filter(|request| request.method() == http::Method::GET);
        let mut answer = match (client.execute(request).await, again) {
            (Err(error), Some(again)) if is_closed_connection(&error) => {
                client.execute(again).await?
            }
            (answer, _) => answer?,
        };
        if let Some(DateObserver(observer)) = &self.dates
            // An answer from a cache is older.
            && !answer.headers().contains_key(http::header::AGE)
            && let Some(date) = answer.headers().get(http::header::DATE)
            && let Some(date) =
                date.to_str().ok().and_then(|date| DateTime::parse_from_rfc2822(date).ok())
        {
            observer(date.to_utc());
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > self.limits.bytes {
                return Err(HttpError::TooLarge(self.limits.bytes));
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = http::Response::new(body);
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }
}

/// Whether the address is in 127.0.0.0/8, `::1` or `localhost` (RFC 6761, section 6.3).
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn is_closed_connection(error: &reqwest::Error) -> bool {
    error.is_request() && !error.is_connect() && !error.is_timeout()
}

/// For the requests that `openidconnect` makes itself.
impl<'c> AsyncHttpClient<'c> for HttpClient {
    type Error = HttpError;
    type Future =
        Pin<Box<dyn Future<Output = Result<openidconnect::HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: openidconnect::HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

/// Why there is no response. The text names host and cause, never a query or a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The time limit passed.
    #[error("no response in time")]
    Timeout,
    /// The connection failed or broke.
    #[error("{0}")]
    Unreachable(String),
    /// The body is larger than the limit, in bytes.
    #[error("the response is larger than {0} bytes")]
    TooLarge(usize),
}

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::Timeout;
        }
        // The address may carry a code or a token in its query.
        let error = error.without_url();
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        Self::Unreachable(text)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;
    use crate::tls;

    fn client(limits: Limits) -> HttpClient {
        HttpClient::new(tls::client_config(None).unwrap(), limits).unwrap()
    }

    async fn read_request(stream: &mut TcpStream) {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
    }

    /// Answers one request on each connection and closes it at the second.
    async fn closing_server() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                read_request(&mut stream).await;
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                read_request(&mut stream).await;
            }
        });
        address
    }

    fn request(method: http::Method, address: &str) -> http::Request<Vec<u8>> {
        http::Request::builder().method(method).uri(address).body(Vec::new()).unwrap()
    }

    #[tokio::test]
    async fn repeats_get_but_never_post_on_closed_connection() {
        let address = closing_server().await;
        let client = client(Limits::default());
        for _ in 0..3 {
            let answer = client.send(request(http::Method::GET, &address)).await.unwrap();
            assert_eq!(answer.body(), b"ok");
        }
        let posted = client.send(request(http::Method::POST, &address)).await;
        assert!(matches!(posted, Err(HttpError::Unreachable(_))), "{posted:?}");
    }

    #[tokio::test]
    async fn refuses_too_large_response_and_never_shows_queries() {
        let address = closing_server().await;
        let small = client(Limits { bytes: 1, ..Limits::default() });
        let answer = small.send(request(http::Method::GET, &address)).await;
        assert_eq!(answer.unwrap_err(), HttpError::TooLarge(1));

        let unreachable = "http://127.0.0.1:1/?code=hunter2";
        let error = small.send(request(http::Method::GET, unreachable)).await.unwrap_err();
        assert!(!format!("{error}{error:?}").contains("hunter2"), "{error:?}");
    }

    #[test]
    fn recognises_loopback_hosts() {
        let is_loopback = |address: &str| is_loopback(&Url::parse(address).unwrap());
        for address in [
            "http://127.0.0.1:4041/",
            "http://127.8.9.10/",
            "http://2130706433/",
            "http://[::1]:80/",
            "http://localhost/",
            "https://LOCALHOST:443/",
        ] {
            assert!(is_loopback(address), "{address}");
        }
        for address in [
            "https://id.example/",
            "http://128.0.0.1/",
            "http://0.0.0.0/",
            "http://[::2]/",
            "http://localhost.example/",
            "http://127.0.0.1.example/",
        ] {
            assert!(!is_loopback(address), "{address}");
        }
    }
}
