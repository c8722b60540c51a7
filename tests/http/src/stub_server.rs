//! An HTTP server on loopback that responds as a test specifies.

use std::{io, sync::Arc};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use url::Url;

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `POST` …
    pub method: String,
    /// Path and query, not decoded.
    pub path: String,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; empty without `Content-Length`.
    pub body: String,
}

impl Request {
    /// The first header with this name (in lower case); `None` without one.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Response {
    /// A body with this media type.
    #[must_use]
    pub fn of(status: u16, media_type: &str, body: impl Into<String>) -> Self {
        let headers = vec![("Content-Type".into(), media_type.into())];
        Self { status, headers, body: body.into() }
    }

    /// An HTML page with this body.
    #[must_use]
    pub fn html(status: u16, body: impl Into<String>) -> Self {
        Self::of(status, "text/html; charset=utf-8", body)
    }

    /// JSON: a value, or text that may be malformed.
    #[must_use]
    pub fn json(status: u16, body: impl ToString) -> Self {
        Self::of(status, "application/json", body.to_string())
    }

    /// A redirect.
    #[must_use]
    pub fn redirect(status: u16, location: impl Into<String>) -> Self {
        Self { status, headers: vec![("Location".into(), location.into())], body: String::new() }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct StubServer {
    url: Url,
    task: JoinHandle<()>,
}

impl StubServer {
    /// Starts on a free port; calls `respond` for each request.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(respond: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("the port that was bound");
        let url = Url::parse(&format!("http://{address}/")).expect("an address is a URL");
        let respond = Arc::new(respond);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let respond = Arc::clone(&respond);
                // A client may disconnect early.
                tokio::spawn(async move { serve(stream, &*respond).await.ok() });
            }
        });
        Self { url, task }
    }

    /// Its address: `http://127.0.0.1:<port>/`.
    #[must_use]
    pub fn url(&self) -> Url {
        self.url.clone()
    }
}

impl Drop for StubServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, respond: &impl Fn(&Request) -> Response) -> io::Result<()> {
    let request = read(&mut stream).await?;
    let Response { status, headers, body } = respond(&request);
    let mut head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("Content-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).await?;
    stream.shutdown().await
}

async fn read(stream: &mut TcpStream) -> io::Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).await?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = words.next().zip(words.next()).ok_or(io::ErrorKind::InvalidData)?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).await?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request { method, path, headers, body: String::new() };
    let length = request.header("content-length").and_then(|value| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).await?;
    request.body = String::from_utf8_lossy(&body).into_owned();
    Ok(request)
}
