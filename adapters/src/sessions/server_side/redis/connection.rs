use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult,
    aio::MultiplexedConnection,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};
use tokio::{sync::Mutex, time::timeout};

/// Time for an answer on an open connection. A connection that needs more is considered dead: a
/// firewall that forgot it drops its packets without a reset.
const LIVENESS_TIMEOUT: Duration = Duration::from_secs(1);

/// Time to open a connection, and time for the answer on it.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Silence after which the system probes a connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// One connection, which all requests share. It is opened when first needed, and replaced within the
/// request that finds it dead.
pub(super) struct Connection {
    client: Client,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    connection: Option<MultiplexedConnection>,
    /// Counts the connections, so that a late failure of an old one does not close its successor.
    number: u64,
}

impl Connection {
    /// Does not wait for the server.
    pub(super) fn new(client: Client) -> Self {
        Self { client, current: Mutex::default() }
    }

    /// Runs the commands; once more on a new connection where the current one is broken or silent.
    /// The commands may have been executed although their answer was lost.
    pub(super) async fn query<T: FromRedisValue>(&self, pipeline: &Pipeline) -> RedisResult<T> {
        let (mut connection, number, is_new) = self.current().await?;
        let limit = if is_new { TIMEOUT } else { LIVENESS_TIMEOUT };
        let answer = within(limit, pipeline.query_async(&mut connection)).await;
        match answer {
            Err(error) if is_broken(&error) => {
                self.discard(number).await;
                if is_new {
                    return Err(error);
                }
            }
            answer => return answer,
        }
        log::warn!("redis: the connection is broken or silent, trying a new one");
        let (mut connection, number, _) = self.current().await?;
        let answer = within(TIMEOUT, pipeline.query_async(&mut connection)).await;
        if answer.as_ref().is_err_and(is_broken) {
            self.discard(number).await;
        }
        answer
    }

    /// The current connection, its number, and whether it was opened just now. Requests that come
    /// while one is being opened wait for it, no longer than opening may take.
    async fn current(&self) -> RedisResult<(MultiplexedConnection, u64, bool)> {
        within(TIMEOUT, async {
            let mut current = self.current.lock().await;
            if let Some(connection) = &current.connection {
                return Ok((connection.clone(), current.number, false));
            }
            // The limits of this module apply instead.
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(None)
                .set_response_timeout(None);
            let connection =
                self.client.get_multiplexed_async_connection_with_config(&config).await?;
            current.number += 1;
            current.connection = Some(connection.clone());
            Ok((connection, current.number, true))
        })
        .await
    }

    async fn discard(&self, number: u64) {
        let mut current = self.current.lock().await;
        if current.number == number {
            current.connection = None;
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

fn is_broken(error: &RedisError) -> bool {
    error.is_io_error() || error.is_connection_dropped() || error.is_unrecoverable_error()
}

async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = RedisResult<T>>,
) -> RedisResult<T> {
    let silent = |_| RedisError::from((ErrorKind::Io, "no response in time"));
    timeout(limit, answer).await.map_err(silent)?
}
