//! Sessions in Redis.

use http::StatusCode;
use portico_tests::{
    redis::{RedisCluster, RedisWithSentinels},
    site::{Site, SiteOptions},
};
use rocket::futures::future::join_all;

use super::{Load, USER, USERS, fails_over};

async fn keeps_sessions<T: Send + 'static>(
    servers: T,
    url: String,
    kill_master: impl FnOnce(&mut T) + Send + 'static,
) {
    let settings = vec![("SESSION_STORE", "redis".to_owned()), ("REDIS_URL", url)];
    let site = Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await;
    let mut users = Vec::new();
    for _ in 0..USERS {
        users.push(site.signed_in(USER).await.0);
    }
    let (load, anonymous) = (Load::default(), site.browser());
    // The servers elect another master by themselves.
    let failover = fails_over(&load, &anonymous, servers, kill_master, |_| {});
    let (_remaining, _) = tokio::join!(failover, join_all(users.iter().map(|user| load.run(user))));
    for user in &users {
        assert_eq!(user.get("/profile").await.status, StatusCode::OK);
    }
    site.signed_in(USER).await;
}

#[tokio::test]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
async fn failover_of_cluster_ends_no_session() {
    let servers = RedisCluster::start();
    let url = servers.url();
    keeps_sessions(servers, url, |servers| servers.kill_master("portico:session:*")).await;
}

#[tokio::test]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
async fn failover_by_sentinels_ends_no_session() {
    let servers = RedisWithSentinels::start();
    let url = servers.url();
    keeps_sessions(servers, url, RedisWithSentinels::kill_master).await;
}
