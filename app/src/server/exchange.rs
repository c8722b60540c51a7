//! One request and its response.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Frame, Incoming},
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderValue, TRANSFER_ENCODING},
    http::request::Parts,
};
use rocket::{
    futures::stream::{BoxStream, poll_fn},
    http::{Cookie, Header, Method, uri::Origin},
    local::asynchronous::{Client, LocalRequest},
};
use tokio::{
    io::AsyncReadExt,
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use super::{Limits, log_throttle::LogThrottle};

/// Bytes of a response that are read in one step.
const CHUNK: usize = 16 * 1024;

type Body = Either<Full<Bytes>, StreamBody<BoxStream<'static, io::Result<Frame<Bytes>>>>>;

pub(super) struct Exchange {
    pub(super) client: Arc<Client>,
    pub(super) limits: Limits,
    pub(super) peer: SocketAddr,
    pub(super) is_reserve: bool,
    pub(super) slow: Arc<LogThrottle>,
    /// Whether a whole header has arrived.
    pub(super) has_begun: AtomicBool,
    /// Whether the next response is the last one of this connection.
    pub(super) is_closing: AtomicBool,
}

impl Exchange {
    /// # Errors
    /// When the handler panicked outside of Rocket's care; hyper then closes the connection.
    pub(super) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, oneshot::error::RecvError> {
        self.has_begun.store(true, Ordering::Relaxed);
        let (head, body) = request.into_parts();
        if self.is_reserve && !head.uri.path().starts_with("/health/") {
            return Ok(refusal(StatusCode::SERVICE_UNAVAILABLE, "Too many connections."));
        }
        let body = match self.read(body).await {
            Ok(body) => body,
            Err(refused) => return Ok(refused),
        };
        // The body of the response borrows from the request, so that one task has to own both.
        let (sender, response) = oneshot::channel();
        tokio::spawn(self.clone().dispatch(head, body, sender));
        let mut response = response.await?;
        if self.is_closing.load(Ordering::Relaxed) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }

    /// The whole body, or the response to one that is too large or too slow.
    async fn read(&self, mut body: Incoming) -> Result<Vec<u8>, Response<Body>> {
        let Limits { body_pause, body: whole, body_size, .. } = self.limits;
        let end = Instant::now() + whole;
        let mut read = Vec::new();
        loop {
            let next = (Instant::now() + body_pause).min(end);
            let frame = match timeout_at(next, body.frame()).await {
                Ok(None) => return Ok(read),
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(_))) => {
                    return Err(refusal(StatusCode::BAD_REQUEST, "The request is incomplete."));
                }
                Err(_) => {
                    if let Some(count) = self.slow.count() {
                        let peer = self.peer;
                        log::warn!("{count} bodies did not arrive in time, the latest from {peer}");
                    }
                    return Err(refusal(StatusCode::REQUEST_TIMEOUT, "The request took too long."));
                }
            };
            let Ok(data) = frame.into_data() else { continue };
            if read.len() + data.len() > body_size {
                return Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, "The request is too large."));
            }
            read.extend_from_slice(&data);
        }
    }

    /// Sends the head of the response when it is ready, then its body.
    async fn dispatch(
        self: Arc<Self>,
        head: Parts,
        body: Vec<u8>,
        sender: oneshot::Sender<Response<Body>>,
    ) {
        let request = self.local_request(&head).body(body);
        let mut answer = request.dispatch().await;
        let (parts, stream) = mpsc::channel(1);
        let mut response = Response::new(streamed(stream));
        *response.status_mut() =
            StatusCode::from_u16(answer.status().code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for header in answer.headers().iter() {
            let name = hyper::header::HeaderName::from_bytes(header.name.as_str().as_bytes());
            let value = HeaderValue::from_bytes(header.value.as_bytes());
            if let (Ok(name), Ok(value)) = (name, value) {
                response.headers_mut().append(name, value);
            }
        }
        if !response.headers().contains_key(TRANSFER_ENCODING)
            && let Some(size) = answer.body().preset_size()
        {
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(size));
        }
        if sender.send(response).is_err() {
            return;
        }
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            let part = match answer.read_buf(&mut chunk).await {
                Ok(0) => return,
                Ok(_) => Ok(Frame::data(Bytes::from(chunk))),
                Err(error) => Err(error),
            };
            // A connection that is not read ends by its write timeout.
            if parts.send(part).await.is_err() {
                return;
            }
        }
    }

    /// The request as Rocket's own server would make it.
    fn local_request(&self, head: &Parts) -> LocalRequest<'_> {
        let uri = head.uri.path_and_query().map_or("/", |it| it.as_str());
        let origin = Origin::parse_owned(uri.to_owned());
        let mut request = match (head.method.as_str().parse(), origin) {
            (Ok(method), Ok(uri)) => self.client.req(method, uri),
            // Rocket answers 400 to what is no path.
            _ => self.client.req(Method::Get, "malformed".to_owned()),
        }
        .remote(self.peer);
        for (name, value) in &head.headers {
            // As Rocket does with headers that are not UTF-8.
            let Ok(value) = std::str::from_utf8(value.as_bytes()) else { continue };
            if name == COOKIE {
                let cookies = value.split(';').map(str::trim);
                let cookies = cookies.filter_map(|it| Cookie::parse_encoded(it).ok());
                request = request.cookies(cookies.map(Cookie::into_owned));
            }
            request.add_header(Header::new(name.as_str().to_owned(), value.to_owned()));
        }
        request
    }
}

fn streamed(mut parts: mpsc::Receiver<io::Result<Frame<Bytes>>>) -> Body {
    Either::Right(StreamBody::new(Box::pin(poll_fn(move |context| parts.poll_recv(context)))))
}

/// A response without the site's layout, after which the connection is closed.
fn refusal(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::new(Bytes::from_static(text.as_bytes()))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
