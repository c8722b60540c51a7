use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult,
    ServerErrorKind,
    aio::MultiplexedConnection,
    cluster_async::ClusterConnection,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};
use tokio::{sync::Mutex, time::timeout};

use super::{
    address::Target,
    plaintext::{LoopbackOnly, check_master},
};

/// Time for an answer on an open connection. A connection that needs more is considered dead: a
/// firewall that forgot it drops its packets without a reset.
pub(super) const LIVENESS_TIMEOUT: Duration = Duration::from_secs(1);

/// Time to open a connection, and time for the answer on it.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Silence after which the system probes a connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// One connection, which all requests share. It is opened when first needed, and replaced within the
/// request that finds it dead. With a cluster it stands for one connection to each node.
pub(super) struct Connection {
    current: Mutex<Current>,
}

struct Current {
    target: Target,
    open: Option<Open>,
    /// Counts the connections, so that a late failure of an old one does not close its successor.
    number: u64,
}

#[derive(Clone)]
enum Open {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    /// Does not wait for the server.
    pub(super) fn new(target: Target) -> Self {
        Self { current: Mutex::new(Current { target, open: None, number: 0 }) }
    }

    /// Runs the command; once more on a new connection where the current one is broken or silent, or
    /// leads to a server that is no longer the master. The command may have been executed although
    /// its answer was lost.
    pub(super) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let (open, number, is_new) = self.current().await?;
        let limit = if is_new { TIMEOUT } else { LIVENESS_TIMEOUT };
        match within(limit, open.query(command)).await {
            Err(error) if is_broken(&error) => {
                self.discard(number).await;
                if is_new {
                    return Err(error);
                }
            }
            answer => return answer,
        }
        log::warn!("redis: the connection is broken or silent, trying a new one");
        let (open, number, _) = self.current().await?;
        let answer = within(TIMEOUT, open.query(command)).await;
        if answer.as_ref().is_err_and(is_broken) {
            self.discard(number).await;
        }
        answer
    }

    /// The current connection, its number, and whether it was opened just now. Requests that come
    /// while one is being opened wait for it, no longer than opening may take.
    async fn current(&self) -> RedisResult<(Open, u64, bool)> {
        within(TIMEOUT, async {
            let mut current = self.current.lock().await;
            if let Some(open) = &current.open {
                return Ok((open.clone(), current.number, false));
            }
            let open = current.target.connect().await?;
            current.number += 1;
            current.open = Some(open.clone());
            Ok((open, current.number, true))
        })
        .await
    }

    async fn discard(&self, number: u64) {
        let mut current = self.current.lock().await;
        if current.number == number {
            current.open = None;
        }
    }
}

impl Target {
    async fn connect(&mut self) -> RedisResult<Open> {
        // The limits of this module apply instead.
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        Ok(match self {
            Self::Server(client) => {
                Open::Server(client.get_multiplexed_async_connection_with_config(&config).await?)
            }
            Self::Sentinel { client, local_service: None } => {
                Open::Server(client.get_async_connection_with_config(&config).await?)
            }
            Self::Sentinel { client, local_service: Some(service) } => {
                check_master(client, service).await?;
                let config = config.set_dns_resolver(LoopbackOnly);
                Open::Server(client.get_async_connection_with_config(&config).await?)
            }
            Self::Cluster(client) => Open::Cluster(client.get_async_connection().await?),
        })
    }
}

impl Open {
    async fn query<T: FromRedisValue>(self, command: &Cmd) -> RedisResult<T> {
        match self {
            Self::Server(mut connection) => command.query_async(&mut connection).await,
            Self::Cluster(mut connection) => command.query_async(&mut connection).await,
        }
    }
}

/// Probes that find a dead connection before a request does.
pub(super) fn tcp_settings() -> TcpSettings {
    let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(TIMEOUT);
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keep_alive);
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let settings = settings.set_user_timeout(KEEP_ALIVE);
    settings
}

/// `READONLY` comes from a server that was the master when the connection was opened.
fn is_broken(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
        || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = RedisResult<T>>,
) -> RedisResult<T> {
    let silent = |_| RedisError::from((ErrorKind::Io, "no response in time"));
    timeout(limit, answer).await.map_err(silent)?
}
