//! The one HTTP client of the site: for the provider and the messages API.

use std::{error::Error, future::Future, pin::Pin, time::Duration};

use openidconnect::AsyncHttpClient;
use reqwest::redirect;
use rustls::ClientConfig;

/// Sends a request and reads the answer: in a limited time, up to a limited size, without
/// following redirects (a token endpoint that redirects would have the secret sent elsewhere).
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: reqwest::Client,
    limits: Limits,
}

/// What one request may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time to connect.
    pub connect: Duration,
    /// Time for all of it.
    pub total: Duration,
    /// Size of the answer's body, in bytes.
    pub bytes: usize,
}

impl Default for Limits {
    /// 3 s to connect, 10 s in all, 1 MiB.
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
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(limits.connect)
            .timeout(limits.total)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("portico/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(HttpError::from)?;
        Ok(Self { client, limits })
    }

    /// Sends the request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// An [`HttpError`] when there is no answer, or too much of it.
    pub async fn send(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        let mut answer = self.client.execute(request.try_into()?).await?;
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

impl<'c> AsyncHttpClient<'c> for HttpClient {
    type Error = HttpError;
    type Future =
        Pin<Box<dyn Future<Output = Result<openidconnect::HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: openidconnect::HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

/// Why there is no answer. The text names host and cause, never a query or a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// It took too long.
    #[error("no answer in time")]
    Silent,
    /// The connection failed, or broke off.
    #[error("{0}")]
    Unreachable(String),
    /// The body is larger than the limit, in bytes.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::Silent;
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
