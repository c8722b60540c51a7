//! Users of a site while a server of its store is killed and another one takes over.

mod postgres;
mod redis;

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use http::StatusCode;
use portico_tests::http_browser::HttpBrowser;
use tokio::task::spawn_blocking;

const USER: &str = "user@example.com";
const USERS: usize = 4;

/// Time from the end of the server until the site is ready again: twice what the servers need to
/// notice and to elect, for a busy machine.
const OUTAGE_LIMIT: Duration = Duration::from_secs(15);

/// Pages that are requested before the server is killed, and again after the failover.
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

async fn until(count: &AtomicUsize, minimum: usize) {
    let start = Instant::now();
    while count.load(Ordering::SeqCst) < minimum {
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

/// Kills one of the servers under load, and promotes another once the site is not ready. Waits until
/// it is ready again and was asked for more pages. Returns the servers that remain.
async fn fails_over<T: Send + 'static>(
    load: &Load,
    anonymous: &HttpBrowser,
    servers: T,
    kill: impl FnOnce(&mut T) + Send + 'static,
    promote: impl FnOnce(&T) + Send + 'static,
) -> T {
    until(&load.before, PAGES).await;
    until_ready_is(StatusCode::OK, anonymous, Instant::now()).await;
    let killing = spawn_blocking(move || {
        let mut servers = servers;
        kill(&mut servers);
        servers
    });
    let servers = killing.await.unwrap();
    let start = Instant::now();
    until_ready_is(StatusCode::SERVICE_UNAVAILABLE, anonymous, start).await;
    let promoting = spawn_blocking(move || {
        promote(&servers);
        servers
    });
    until_ready_is(StatusCode::OK, anonymous, start).await;
    load.recovered.store(true, Ordering::SeqCst);
    until(&load.after, PAGES).await;
    load.is_over.store(true, Ordering::SeqCst);
    promoting.await.unwrap()
}
