//! What is particular to Redis.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use portico_adapters::{
    sessions::{CookieSettings, ServerSide},
    system::{SystemClock, SystemRandomness},
    testing::Browser,
};
use portico_contracts::{fakes::ManualClock, fixtures, sessions::LIFETIMES};
use portico_domain::{
    model::Lifetimes,
    ports::{Clock, SessionRegistry, SessionStore, SessionsUnavailable},
};
use portico_tests::redis::Redis;
use tokio::time::timeout;

use super::{KEY, Kind, Shared};

fn open(
    url: &str,
    lifetimes: Lifetimes,
    clock: Arc<dyn Clock>,
) -> Result<Arc<ServerSide>, SessionsUnavailable> {
    let previous_keys = Vec::new();
    let settings = CookieSettings { secure: false, form_post: false, lifetimes, previous_keys };
    let (key, chance) = (KEY.parse().unwrap(), Arc::new(SystemRandomness));
    ServerSide::in_redis(settings, &key, url, None, clock, chance).map(Arc::new)
}

fn standing() -> Arc<dyn Clock> {
    Arc::new(ManualClock::default())
}

#[tokio::test]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
async fn an_outage_is_said_and_makes_nobody_a_stranger_but_the_server_keeps_nothing() {
    let mut shared = Shared::new(Kind::Redis).await;
    let mut server = shared.redis.take().unwrap();
    let browser = Browser::at(shared.store(KEY, &[]), KEY).await;
    browser.start(&fixtures::session()).await.unwrap();
    super::an_outage_is_said_and_makes_nobody_a_stranger(Arc::new(shared), &mut server).await;
    assert_eq!(browser.current().await, Ok(None));
}

#[tokio::test]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
async fn what_has_expired_is_forgotten_without_being_swept() {
    let server = Redis::start();
    let lifetimes =
        Lifetimes { rolling: TimeDelta::milliseconds(300), absolute: TimeDelta::milliseconds(600) };
    let store = open(&server.url(), lifetimes, Arc::new(SystemClock)).unwrap();
    let browser = Browser::at(store, KEY).await;
    browser.start(&fixtures::session_at(SystemClock.now())).await.unwrap();
    assert!(server.size() > 0);
    let forgotten = async {
        while server.size() > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(10), forgotten).await.expect("nothing is kept");
}

#[tokio::test]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
async fn the_server_is_told_the_password_and_nobody_else_is() {
    let server = Redis::with_password("hunter2");
    let right = open(&server.url(), LIFETIMES, standing()).unwrap();
    assert_eq!(right.check().await, Ok(()));
    let wrong = server.url().replace("hunter2", "hunter3");
    let error = open(&wrong, LIFETIMES, standing()).unwrap().check().await.unwrap_err().to_string();
    assert!(!error.contains("hunter"), "{error}");
    for url in
        ["redis://:hunter2@[::1", "http://:hunter2@127.0.0.1", "rediss://:hunter2@a/#insecure"]
    {
        let error = open(url, LIFETIMES, standing()).err().unwrap().to_string();
        assert!(!error.contains("hunter"), "{url}: {error}");
    }
}
