//! `/health/ready` while a store cannot be written; every request still gets a response.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use http::StatusCode;
use portico_tests::{
    http_browser::HttpBrowser,
    site::{Site, SiteOptions, log_in},
};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;

const USER: &str = "user@example.com";

/// The limit of every answer of `/health/ready`, with a margin for a busy machine.
const READY_LIMIT: Duration = Duration::from_millis(1_500);

/// A site with sessions and users in one SQLite file.
async fn site_on_file(store: &'static str) -> (Site, TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("portico.db");
    let settings = vec![
        ("DATABASE_URL", format!("sqlite://{}", file.display())),
        ("SESSION_STORE", store.to_owned()),
    ];
    let site = Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await;
    (site, folder, file)
}

async fn readiness(browser: &HttpBrowser) -> StatusCode {
    let start = Instant::now();
    let page = browser.get("/health/ready").await;
    assert!(start.elapsed() < READY_LIMIT, "{:?}", start.elapsed());
    page.status
}

/// Each request gets a response. A panic in a handler, or a closed connection, fails the test.
async fn answers_everything(site: &Site, signed_in: &HttpBrowser) {
    for browser in [&site.browser(), signed_in] {
        for address in [
            "/",
            "/public",
            "/profile",
            "/sessions",
            "/users",
            "/login",
            "/callback?code=a&state=b",
        ] {
            let page = browser.get(address).await;
            assert!(!page.text().is_empty() || page.status.is_redirection(), "{address}");
        }
    }
    // What SQLite has in memory may be enough for a log-in.
    let page = log_in(&site.browser(), "/login", USER).await;
    if page.status != StatusCode::OK {
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{}", page.text());
        assert!(page.text().contains("Reference"), "{}", page.text());
    }
    assert_eq!(signed_in.get("/health/live").await.status, StatusCode::OK);
}

/// The damage to the file.
type Damage = fn(&Path);

async fn notices(store: &'static str, damage: Damage) {
    let (site, _folder, file) = site_on_file(store).await;
    let (signed_in, _) = site.signed_in(USER).await;
    assert_eq!(readiness(&signed_in).await, StatusCode::OK);
    damage(&file);
    assert_eq!(readiness(&signed_in).await, StatusCode::SERVICE_UNAVAILABLE);
    answers_everything(&site, &signed_in).await;
    assert_eq!(readiness(&signed_in).await, StatusCode::SERVICE_UNAVAILABLE);
}

fn overwrite(file: &Path) {
    // In place: the site has it open.
    fs::write(file, vec![0xA5; 100_000]).unwrap();
}

fn truncate(file: &Path) {
    fs::write(file, b"").unwrap();
}

#[tokio::test]
async fn notices_overwritten_sqlite_file() {
    notices("cookie", overwrite).await;
    notices("database", overwrite).await;
}

#[tokio::test]
async fn notices_truncated_sqlite_file() {
    notices("cookie", truncate).await;
    notices("database", truncate).await;
}

#[tokio::test]
async fn notices_deleted_and_replaced_sqlite_file() {
    let (site, _folder, file) = site_on_file("cookie").await;
    let browser = site.browser();
    assert_eq!(readiness(&browser).await, StatusCode::OK);
    let copy = file.with_extension("copy");
    fs::rename(&file, &copy).unwrap();
    assert_eq!(readiness(&browser).await, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!file.exists(), "the check made a new file");
    // What the site writes goes to the file that it has opened.
    fs::copy(&copy, &file).unwrap();
    assert_eq!(readiness(&browser).await, StatusCode::SERVICE_UNAVAILABLE);
    fs::rename(&copy, &file).unwrap();
    assert_eq!(readiness(&browser).await, StatusCode::OK);
}

#[tokio::test]
async fn answers_within_a_second_while_a_store_hangs() {
    // It accepts connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let settings = vec![("SESSION_STORE", "redis".to_owned()), ("REDIS_URL", url)];
    let site = Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await;
    let browser = site.browser();
    for _ in 0..3 {
        let start = Instant::now();
        let page = browser.get("/health/ready").await;
        assert!(start.elapsed() < READY_LIMIT, "{:?}", start.elapsed());
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(page.json()["failing"], json!(["sessions"]));
    }
}
