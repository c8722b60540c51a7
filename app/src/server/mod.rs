//! Serves the site over HTTP/1.1 with limits that Rocket's own server lacks: on the time for a header,
//! for a body and between requests, and on the number of connections.
//!
//! hyper reads and writes; each request is dispatched by Rocket's `local` client, which runs the same
//! router, guards and fairings.

mod exchange;
mod log_throttle;
mod signals;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rocket::{Ignite, Rocket, Shutdown, futures::FutureExt, local::asynchronous::Client};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutStream;

use self::{exchange::Exchange, log_throttle::LogThrottle};
use crate::metrics::Metrics;

/// What one visitor may take from the others.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time from the end of a response, or from the start of the connection, until the next header
    /// has arrived.
    pub header: Duration,
    /// Time between two parts of a body.
    pub body_pause: Duration,
    /// Time for a whole body.
    pub body: Duration,
    /// Size of a body in bytes. Bodies are read into memory before their route runs: all connections
    /// together hold at most `connections` times this.
    pub body_size: usize,
    /// Time in which the visitor reads nothing of a response.
    pub write_pause: Duration,
    /// Maximum number of simultaneous connections.
    pub connections: usize,
    /// Number of connections beyond that: they get an answer to one request, and only to a health
    /// check the site's own.
    pub reserve: usize,
    /// As `header`, on a connection of the reserve.
    pub reserve_header: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(30),
            body_pause: Duration::from_secs(10),
            body: Duration::from_secs(60),
            body_size: 64 * 1024,
            write_pause: Duration::from_secs(30),
            connections: 800,
            reserve: 32,
            reserve_header: Duration::from_secs(2),
        }
    }
}

/// Why the site does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Rocket refuses the site.
    #[error(transparent)]
    Rocket(#[from] rocket::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
}

/// Time to wait after the system refused to accept a connection: it has no file left, for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Time in which open connections get one more answer after the shutdown was requested: a proxy may
/// have sent a request on one of them that has not arrived. Closing it at once would lose the request
/// (RFC 9112, section 9.6).
const LAST_REQUEST: Duration = Duration::from_secs(1);

/// Serves until Rocket's shutdown is requested or a signal of Rocket's settings arrives. Then it
/// accepts no more connections, and requests that have started are finished within the time that these
/// settings allow (`grace` and `mercy`).
///
/// # Errors
/// [`ServeError`] when the site cannot be started.
pub async fn serve(site: Rocket<Ignite>, limits: Limits) -> Result<(), ServeError> {
    let config = site.config();
    let address = SocketAddr::new(config.address, config.port);
    let settings = config.shutdown.clone();
    let listener =
        TcpListener::bind(address).await.map_err(|cause| ServeError::Listen(address, cause))?;
    let metrics = site.state::<Metrics>().cloned().unwrap_or_default();
    let client = Client::untracked(site).await?;
    let shutdown = client.rocket().shutdown();
    signals::notify(&settings, &shutdown);
    let server = Server {
        client: Arc::new(client),
        limits,
        ordinary: Arc::new(Semaphore::new(limits.connections)),
        reserve: Arc::new(Semaphore::new(limits.reserve)),
        silent: Arc::default(),
        slow: Arc::default(),
        full: LogThrottle::default(),
        refused: LogThrottle::default(),
        metrics,
    };
    let mut connections = server.accept(&listener, &shutdown).await;
    // The system has accepted these already. The limit on connections ends the loop, however many more
    // arrive meanwhile.
    while let Ok(permit) = server.ordinary.clone().try_acquire_owned()
        && let Some(Ok((stream, peer))) = listener.accept().now_or_never()
    {
        let connection = server.connection(stream, peer, false, shutdown.clone());
        connections.spawn(async move {
            connection.await;
            drop(permit);
        });
    }
    drop(listener);
    let grace = Duration::from_secs(u64::from(settings.grace) + u64::from(settings.mercy));
    let finished = async { while connections.join_next().await.is_some() {} };
    if timeout(grace, finished).await.is_err() && !grace.is_zero() {
        log::warn!("shutdown: closing {} connections after {grace:?}", connections.len());
    }
    connections.shutdown().await;
    Ok(())
}

struct Server {
    client: Arc<Client>,
    limits: Limits,
    ordinary: Arc<Semaphore>,
    reserve: Arc<Semaphore>,
    silent: Arc<LogThrottle>,
    slow: Arc<LogThrottle>,
    full: LogThrottle,
    refused: LogThrottle,
    metrics: Metrics,
}

impl Server {
    /// Accepts connections until the shutdown; those that are still open.
    async fn accept(&self, listener: &TcpListener, shutdown: &Shutdown) -> JoinSet<()> {
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let accepted = tokio::select! {
                biased;
                () = shutdown.clone() => break,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(cause) => {
                    if let Some(count) = self.refused.count() {
                        log::warn!("failed to accept {count} connections, the latest: {cause}");
                    }
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let permit = tokio::select! {
                biased;
                () = shutdown.clone() => break,
                permit = self.permit() => permit,
            };
            // The semaphores are never closed.
            let Some((permit, is_reserve)) = permit else { break };
            let connection = self.connection(stream, peer, is_reserve, shutdown.clone());
            connections.spawn(async move {
                connection.await;
                drop(permit);
            });
        }
        connections
    }

    /// Room for one connection, and whether it belongs to the reserve.
    async fn permit(&self) -> Option<(OwnedSemaphorePermit, bool)> {
        if let Ok(permit) = self.ordinary.clone().try_acquire_owned() {
            return Some((permit, false));
        }
        if let Some(count) = self.full.count() {
            let limit = self.limits.connections;
            log::warn!("{limit} connections are open: {count} more get health checks only");
        }
        tokio::select! {
            biased;
            permit = self.ordinary.clone().acquire_owned() => permit.ok().map(|it| (it, false)),
            permit = self.reserve.clone().acquire_owned() => permit.ok().map(|it| (it, true)),
        }
    }

    fn connection(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        is_reserve: bool,
        shutdown: Shutdown,
    ) -> impl Future<Output = ()> + Send + use<> {
        let limits = self.limits;
        let silent = self.silent.clone();
        let exchange = Arc::new(Exchange {
            client: self.client.clone(),
            limits,
            peer,
            is_reserve,
            slow: self.slow.clone(),
            has_begun: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
        });
        let here = exchange.clone();
        let keep_alive = self.client.rocket().config().keep_alive != 0;
        let open = self.metrics.connection();
        async move {
            let _open = open;
            // Without it, small responses wait for the acknowledgement of earlier ones.
            let _ = stream.set_nodelay(true);
            let mut stream = TimeoutStream::new(stream);
            stream.set_write_timeout(Some(limits.write_pause));
            let service = service_fn(move |request| {
                let exchange = exchange.clone();
                async move { exchange.answer(request).await }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(if is_reserve { limits.reserve_header } else { limits.header })
                .keep_alive(!is_reserve && keep_alive)
                .preserve_header_case(true)
                .serve_connection(TokioIo::new(Box::pin(stream)), service);
            tokio::pin!(connection);
            let result = tokio::select! {
                biased;
                () = shutdown => {
                    here.is_closing.store(true, Ordering::Relaxed);
                    match timeout(LAST_REQUEST, connection.as_mut()).await {
                        Ok(result) => result,
                        // hyper would wait for the first request.
                        Err(_) if !here.has_begun.load(Ordering::Relaxed) => return,
                        Err(_) => {
                            connection.as_mut().graceful_shutdown();
                            connection.await
                        }
                    }
                }
                result = &mut connection => result,
            };
            if result.is_err_and(|error| error.is_timeout())
                && !here.has_begun.load(Ordering::Relaxed)
                && let Some(count) = silent.count()
            {
                log::warn!("closed {count} connections without a request, the latest from {peer}");
            }
        }
    }
}
