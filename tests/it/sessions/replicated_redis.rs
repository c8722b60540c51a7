//! Sessions in a Redis Cluster, and in Redis with Sentinels.

use portico_tests::redis::{RedisCluster, RedisWithSentinels};

use super::*;

/// A site with sessions in a Redis that has started.
async fn site_at(redis_url: String) -> (Arc<dyn Site>, ()) {
    let shared = Shared { kind: Kind::Redis, redis_url, ..Shared::new(Kind::Sqlite).await };
    (Arc::new(shared), ())
}

#[tokio::test]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
async fn redis_cluster_keeps_session_store_contract() {
    let cluster = RedisCluster::start();
    session_store_contract!(@in_one_test async {
        cluster.clear();
        site_at(cluster.url()).await
    });
}

#[tokio::test]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
async fn redis_with_sentinels_keeps_session_store_contract() {
    let servers = RedisWithSentinels::start();
    session_store_contract!(@in_one_test async {
        servers.clear();
        site_at(servers.url()).await
    });
}
