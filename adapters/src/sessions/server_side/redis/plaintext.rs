//! Servers that are not in the address: those that a Sentinel or a cluster names.

use std::net::SocketAddr;

use redis::{
    ErrorKind, RedisError, RedisFuture, RedisResult, cmd, io::AsyncDNSResolver,
    sentinel::SentinelClient,
};

const REFUSED: &str = "a server on another machine would be used without TLS: set rediss:// or \
     rediss+sentinel:// in REDIS_URL, or ALLOW_PLAINTEXT=true";

/// Finds only addresses of this machine, so that no connection leads to another one.
pub(super) struct LoopbackOnly;

impl AsyncDNSResolver for LoopbackOnly {
    fn resolve<'a, 'b: 'a>(
        &'a self,
        host: &'b str,
        port: u16,
    ) -> RedisFuture<'a, Box<dyn Iterator<Item = SocketAddr> + Send + 'a>> {
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((host, port)).await?.collect();
            if found.iter().any(|address| !address.ip().is_loopback()) {
                return Err(RedisError::from((ErrorKind::InvalidClientConfig, REFUSED)));
            }
            let found: Box<dyn Iterator<Item = SocketAddr> + Send> = Box::new(found.into_iter());
            Ok(found)
        })
    }
}

/// Fails where the Sentinels name a master on another machine. Before the client asks for it, because
/// the client logs in at the master to see whether it is one.
pub(super) async fn check_master(client: &mut SentinelClient, service: &str) -> RedisResult<()> {
    let sentinel = client.async_get_sentinel_client().await?;
    let mut connection = sentinel.get_multiplexed_async_connection().await?;
    let mut command = cmd("SENTINEL");
    command.arg("GET-MASTER-ADDR-BY-NAME").arg(service);
    let (host, port): (String, u16) = command.query_async(&mut connection).await?;
    LoopbackOnly.resolve(&host, port).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn resolves_addresses_of_this_machine_only() {
        for (host, is_local) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("192.0.2.1", false),
            ("2001:db8::1", false),
            ("0.0.0.0", false),
        ] {
            let resolved = LoopbackOnly.resolve(host, 6379).await;
            let error = resolved.map(Iterator::count).map_err(|error| error.kind());
            let refused = ErrorKind::InvalidClientConfig;
            assert_eq!(error, if is_local { Ok(1) } else { Err(refused) }, "{host}");
        }
    }
}
