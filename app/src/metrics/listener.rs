//! Serves the metrics on an address of their own.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::prometheus_text;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::Metrics;

/// Time for a header; also between two requests of a connection.
const HEADER: Duration = Duration::from_secs(30);

/// Maximum age of a connection. Prometheus opens another one.
const CONNECTION: Duration = Duration::from_secs(600);

/// Maximum number of simultaneous connections; others wait.
const CONNECTIONS: usize = 16;

/// Time to wait after the system refused to accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A socket that answers `GET /metrics`.
pub(crate) struct MetricsListener(TcpListener);

impl MetricsListener {
    /// Listens on the address.
    ///
    /// # Errors
    /// The system's error: the address is taken, or not one of this machine.
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Self)
    }

    /// Answers requests until it is dropped.
    pub(crate) async fn serve(self, metrics: Metrics) {
        let connections = Arc::new(Semaphore::new(CONNECTIONS));
        // The semaphore is never closed.
        while let Ok(permit) = connections.clone().acquire_owned().await {
            match self.0.accept().await {
                Ok((stream, _)) => {
                    let metrics = metrics.clone();
                    tokio::spawn(async move {
                        let _ = timeout(CONNECTION, connection(stream, metrics)).await;
                        drop(permit);
                    });
                }
                Err(cause) => {
                    log::warn!("failed to accept a connection for metrics: {cause}");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Serves one connection; how it ends is of no interest.
async fn connection(stream: TcpStream, metrics: Metrics) {
    let service = service_fn(move |request| {
        let response = answer(&request, &metrics);
        async move { Ok::<_, Infallible>(response) }
    });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn answer(request: &Request<Incoming>, metrics: &Metrics) -> Response<Full<Bytes>> {
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => match metrics.text() {
            Ok(text) => (StatusCode::OK, text),
            Err(cause) => {
                log::error!("failed to write metrics: {cause}");
                (StatusCode::INTERNAL_SERVER_ERROR, String::new())
            }
        },
        (_, "/metrics") => (StatusCode::METHOD_NOT_ALLOWED, "GET only\n".into()),
        _ => (StatusCode::NOT_FOUND, "The metrics are at /metrics.\n".into()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let media_type = HeaderValue::from_static(prometheus_text::CONTENT_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}
