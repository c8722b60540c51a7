//! What is particular to Redis.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use portico_adapters::{
    sessions::{CookieSettings, ServerSide},
    system::{SystemClock, SystemRandomness},
    testing::Browser,
};
use portico_domain::{
    model::Lifetimes,
    ports::{Clock, SessionRegistry, SessionStore, SessionsUnavailable},
    testing::{self, SetClock, contract::sessions::LIFETIMES},
};
use portico_tests::redis::Redis;
use tokio::time::{Instant, timeout};

use super::KEY;

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
    Arc::new(SetClock::default())
}

#[tokio::test]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
async fn a_server_that_stops_is_said_so_soon_and_used_again_when_it_is_back() {
    let mut server = Redis::start();
    let store = open(&server.url(), LIFETIMES, standing()).unwrap();
    let browser = Browser::at(store.clone(), KEY).await;
    browser.start(&testing::session()).await.unwrap();
    let cookies = browser.copy();

    server.stop();
    let begun = Instant::now();
    assert!(matches!(browser.current().await, Err(SessionsUnavailable(_))));
    assert!(matches!(store.check().await, Err(SessionsUnavailable(_))));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    // Nobody is signed out by an outage.
    assert_eq!(browser.copy(), cookies);

    server.start_again();
    assert_eq!(store.check().await, Ok(()));
    // This server kept nothing; who signs in again stays.
    assert_eq!(browser.current().await, Ok(None));
    browser.start(&testing::session()).await.unwrap();
    assert_eq!(browser.current().await, Ok(Some(testing::session())));
}

#[tokio::test]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
async fn what_has_expired_is_forgotten_without_being_swept() {
    let server = Redis::start();
    let lifetimes =
        Lifetimes { rolling: TimeDelta::milliseconds(300), absolute: TimeDelta::milliseconds(600) };
    let store = open(&server.url(), lifetimes, Arc::new(SystemClock)).unwrap();
    let browser = Browser::at(store, KEY).await;
    browser.start(&testing::session_at(SystemClock.now())).await.unwrap();
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
