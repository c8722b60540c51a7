//! A Redis Cluster and Redis with a Sentinel that accept TLS and a user's password only.

use std::{path::Path, sync::Arc};

use portico_adapters::{
    sessions::{CookieLoginAttempts, ServerSideSessions},
    system::SystemRandomness,
    testing::{Browser, Stores},
};
use portico_contracts::{fakes::ManualClock, fixtures, sessions::LIFETIMES};
use portico_domain::ports::{SessionRegistry, SessionStore, SessionsUnavailable};
use portico_tests::{
    certificate::Certificate,
    redis::{RedisCluster, RedisWithTlsSentinel},
};

use super::{KEY, redis::settings};

const USER: &str = "portico";
const PASSWORD: &str = "hunter2";
const SENTINEL_PASSWORD: &str = "hunter3";

fn open(url: &str, roots: Option<&Path>) -> Result<Arc<ServerSideSessions>, SessionsUnavailable> {
    let (clock, randomness) = (Arc::new(ManualClock::default()), Arc::new(SystemRandomness));
    let address = url.parse().unwrap();
    ServerSideSessions::in_redis(settings(LIFETIMES), &address, roots, clock, randomness)
        .map(Arc::new)
}

/// A session is written and read at this address, with the certificate and the passwords only.
async fn assert_needs_certificate_and_passwords(url: &str, certificate: &Certificate) {
    let pem = certificate.certificate();
    let store = open(url, Some(&pem)).unwrap();
    assert_eq!(store.check().await, Ok(()));
    let attempts = CookieLoginAttempts::new(
        settings(LIFETIMES),
        store.replay_guard(),
        Arc::new(ManualClock::default()),
    );
    let stores = Stores { sessions: store, attempts: Arc::new(attempts) };
    let browser = Browser::at(stores, KEY).await;
    browser.start(&fixtures::session()).await.unwrap();
    assert!(browser.current().await.unwrap().is_some());

    let wrong = [PASSWORD, SENTINEL_PASSWORD]
        .into_iter()
        .filter(|password| url.contains(password))
        .map(|password| (url.replace(password, "hunter4"), Some(&*pem)));
    for (url, roots) in wrong.chain([(url.to_owned(), None)]) {
        let error = match open(&url, roots) {
            Ok(store) => store.check().await.unwrap_err(),
            Err(error) => error,
        };
        assert!(!error.to_string().contains("hunter"), "{error}");
    }
}

#[tokio::test]
#[cfg_attr(
    not(all(redis, openssl)),
    ignore = "Redis or OpenSSL is missing: apt-get install redis-server openssl"
)]
async fn cluster_needs_certificate_and_password() {
    let certificate = Certificate::create();
    let cluster = RedisCluster::start_with_tls(&certificate, USER, PASSWORD);
    let url = format!("rediss://{USER}:{PASSWORD}@{}", cluster.hosts());
    assert_needs_certificate_and_passwords(&url, &certificate).await;
}

#[tokio::test]
#[cfg_attr(
    not(all(redis, openssl)),
    ignore = "Redis or OpenSSL is missing: apt-get install redis-server openssl"
)]
async fn sentinel_and_master_need_certificate_and_passwords() {
    let certificate = Certificate::create();
    let servers = RedisWithTlsSentinel::start(&certificate, USER, PASSWORD, SENTINEL_PASSWORD);
    let url = format!(
        "rediss+sentinel://{USER}:{PASSWORD}@{}\
         ?sentinel_username={USER}&sentinel_password={SENTINEL_PASSWORD}",
        servers.service()
    );
    assert_needs_certificate_and_passwords(&url, &certificate).await;
}
