//! Tests of sessions in Redis only.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use portico_adapters::{
    sessions::{CookieLoginAttempts, CookieSettings, RedisAddress, ServerSideSessions},
    system::{SystemClock, SystemRandomness},
    testing::{Browser, Stores},
};
use portico_contracts::{fakes::ManualClock, fixtures, sessions::LIFETIMES};
use portico_domain::{
    model::Lifetimes,
    ports::{Clock, SessionRegistry, SessionStore, SessionsUnavailable},
};
use portico_tests::redis::{Redis, RemoteMaster};
use tokio::time::timeout;

use super::{KEY, Kind, Shared};

pub(super) fn settings(lifetimes: Lifetimes) -> CookieSettings {
    CookieSettings {
        public_url: "http://127.0.0.1:4040".into(),
        secure: false,
        form_post: false,
        lifetimes,
        key: KEY.parse().unwrap(),
        previous_keys: Vec::new(),
    }
}

fn open(
    url: &str,
    lifetimes: Lifetimes,
    clock: Arc<dyn Clock>,
) -> Result<Arc<ServerSideSessions>, SessionsUnavailable> {
    let (settings, randomness) = (settings(lifetimes), Arc::new(SystemRandomness));
    let address = url.parse().unwrap();
    ServerSideSessions::in_redis(settings, &address, None, clock, randomness).map(Arc::new)
}

fn stopped_clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::default())
}

#[tokio::test]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
async fn reports_outage_and_loses_sessions_without_persistence() {
    let mut shared = Shared::new(Kind::Redis).await;
    let mut server = shared.redis.take().unwrap();
    let browser = shared.process(KEY, &[]).new_browser().await;
    browser.start(&fixtures::session()).await.unwrap();
    super::reports_outage_without_ending_sessions(Arc::new(shared), &mut server).await;
    assert_eq!(browser.current().await, Ok(None));
}

#[tokio::test]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
async fn redis_deletes_expired_sessions() {
    let server = Redis::start();
    let lifetimes =
        Lifetimes { rolling: TimeDelta::milliseconds(300), absolute: TimeDelta::milliseconds(600) };
    let store = open(&server.url(), lifetimes, Arc::new(SystemClock)).unwrap();
    let attempts =
        CookieLoginAttempts::new(settings(lifetimes), store.replay_guard(), Arc::new(SystemClock));
    let browser = Browser::at(Stores { sessions: store, attempts: Arc::new(attempts) }, KEY).await;
    browser.start(&fixtures::session_at(SystemClock.now())).await.unwrap();
    assert!(server.size() > 0);
    let deleted = async {
        while server.size() > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(10), deleted).await.expect("all keys are deleted");
}

#[tokio::test]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
async fn errors_contain_no_password() {
    let server = Redis::with_password("hunter2");
    let right = open(&server.url(), LIFETIMES, stopped_clock()).unwrap();
    assert_eq!(right.check().await, Ok(()));
    let wrong = server.url().replace("hunter2", "hunter3");
    let error =
        open(&wrong, LIFETIMES, stopped_clock()).unwrap().check().await.unwrap_err().to_string();
    assert!(!error.contains("hunter"), "{error}");
}

#[tokio::test]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
async fn refuses_remote_master_of_local_sentinel_without_tls() {
    let servers = RemoteMaster::start();
    let address: RedisAddress = servers.url().parse().unwrap();
    let settings = settings(LIFETIMES);
    let (clock, randomness) = (Arc::new(SystemClock), Arc::new(SystemRandomness));
    let store = ServerSideSessions::in_redis(
        settings,
        &address.without_plaintext(),
        None,
        clock,
        randomness,
    );
    let error = store.unwrap().check().await.unwrap_err();
    assert!(error.to_string().contains("without TLS"), "{error}");
}
