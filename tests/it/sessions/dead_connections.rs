//! Connections whose packets vanish without a reset.

use std::time::Instant;

use portico_tests::relay::Relay;

use super::*;

/// Time limit of one request that uses a dead connection.
const ONE_SLOW_REQUEST: Duration = Duration::from_millis(2_500);
/// Time limit of any other request.
const FAST: Duration = Duration::from_millis(800);

/// Every check succeeds although all connections of the process are dead, and only the first is slow.
async fn answers_after_all_connections_died(process: &Process, relay: &Relay, parallel: usize) {
    let checks = |count: usize| {
        let registry = process.registry.clone();
        async move {
            let mut checks = tokio::task::JoinSet::new();
            for _ in 0..count {
                let registry = registry.clone();
                checks.spawn(async move { registry.check().await });
            }
            for result in checks.join_all().await {
                assert_eq!(result, Ok(()));
            }
        }
    };
    checks(parallel).await;
    let opened = relay.opened();
    assert!(opened > 0);
    relay.silence_open_connections();
    let start = Instant::now();
    checks(1).await;
    assert!(start.elapsed() < ONE_SLOW_REQUEST, "{:?}", start.elapsed());
    assert!(relay.opened() > opened, "a fresh connection was opened");
    for _ in 0..20 {
        let start = Instant::now();
        checks(1).await;
        assert!(start.elapsed() < FAST, "{:?}", start.elapsed());
    }
    let start = Instant::now();
    checks(parallel).await;
    assert!(start.elapsed() < FAST, "{:?}", start.elapsed());
}

#[tokio::test]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
async fn replaces_silent_redis_connection_within_the_request() {
    let mut shared = Shared::new(Kind::Redis).await;
    let relay = Relay::to(shared.redis.as_ref().unwrap().port()).await;
    shared.redis_url = format!("redis://127.0.0.1:{}", relay.port());
    answers_after_all_connections_died(&shared.process(KEY, &[]), &relay, 10).await;
}

#[tokio::test]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
async fn replaces_silent_postgres_connections_within_the_request() {
    let server = Postgres::start();
    open(&server.url()).migrate().await.unwrap();
    let relay = Relay::to(server.port()).await;
    let mut shared = Shared::new(Kind::Sqlite).await;
    shared.kind = Kind::Postgres;
    shared.url = format!("postgres://postgres@127.0.0.1:{}/postgres", relay.port());
    answers_after_all_connections_died(&shared.process(KEY, &[]), &relay, 10).await;
}
