//! Users of a site with sessions in Redis while a master is killed and its replica takes over.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use http::StatusCode;
use portico_tests::{
    http_browser::HttpBrowser,
    redis::{RedisCluster, RedisWithSentinels},
    site::{Site, SiteOptions},
};
use rocket::futures::future::join_all;
use tokio::task::spawn_blocking;

const USER: &str = "user@example.com";
const USERS: usize = 4;

/// Time from the end of the master until the site is ready again: twice what the servers need to
/// notice and to elect, for a busy machine.
const OUTAGE_LIMIT: Duration = Duration::from_secs(15);

/// Pages that are requested before the master is killed, and again after the failover.
const PAGES: usize = 40;

#[derive(Default)]
struct Load {
    before: AtomicUsize,
    recovered: AtomicBool,
    after: AtomicUsize,
    is_over: AtomicBool,
}

impl Load {
    /// Requests pages until the load is over. Each is a page with a session; only until the site
    /// reports that it is ready again it may be 503.
    async fn run(&self, user: &HttpBrowser) {
        while !self.is_over.load(Ordering::SeqCst) {
            let recovered = self.recovered.load(Ordering::SeqCst);
            let page = user.get("/profile").await;
            match page.status {
                StatusCode::OK => {
                    let count = if recovered { &self.after } else { &self.before };
                    count.fetch_add(1, Ordering::SeqCst);
                }
                StatusCode::SERVICE_UNAVAILABLE if !recovered => {}
                status => panic!("{status}, recovered: {recovered}: {}", page.text()),
            }
        }
    }
}

async fn until(count: &AtomicUsize) {
    let start = Instant::now();
    while count.load(Ordering::SeqCst) < PAGES {
        assert!(start.elapsed() < Duration::from_secs(30), "no load");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until `/health/ready` has the status.
async fn until_ready_is(status: StatusCode, user: &HttpBrowser, start: Instant) {
    while user.get("/health/ready").await.status != status {
        assert!(start.elapsed() < OUTAGE_LIMIT, "no {status} after {:?}", start.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// `kill_master` gets the servers, and returns those that remain.
async fn keeps_sessions<T: Send + 'static>(
    servers: T,
    url: String,
    kill_master: impl FnOnce(T) -> T + Send + 'static,
) {
    let settings = vec![("SESSION_STORE", "redis".to_owned()), ("REDIS_URL", url)];
    let site = Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await;
    let mut users = Vec::new();
    for _ in 0..USERS {
        users.push(site.signed_in(USER).await.0);
    }
    let (load, anonymous) = (Load::default(), site.browser());
    let failover = async {
        until(&load.before).await;
        until_ready_is(StatusCode::OK, &anonymous, Instant::now()).await;
        let remaining = spawn_blocking(move || kill_master(servers)).await.unwrap();
        let start = Instant::now();
        until_ready_is(StatusCode::SERVICE_UNAVAILABLE, &anonymous, start).await;
        until_ready_is(StatusCode::OK, &anonymous, start).await;
        load.recovered.store(true, Ordering::SeqCst);
        until(&load.after).await;
        load.is_over.store(true, Ordering::SeqCst);
        remaining
    };
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
    keeps_sessions(servers, url, |mut servers| {
        servers.kill_master("portico:session:*");
        servers
    })
    .await;
}

#[tokio::test]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
async fn failover_by_sentinels_ends_no_session() {
    let servers = RedisWithSentinels::start();
    let url = servers.url();
    keeps_sessions(servers, url, |mut servers| {
        servers.kill_master();
        servers
    })
    .await;
}
