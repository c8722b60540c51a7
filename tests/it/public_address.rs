//! The site under another host than `PUBLIC_URL`'s.

use http::StatusCode;
use portico_tests::{
    http_browser::HttpBrowser,
    site::{Site, SiteOptions, log_in},
};
use reqwest::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A browser that was given `http://localhost` in place of `http://127.0.0.1`.
fn at_localhost(site: &Site) -> HttpBrowser {
    let mut url = site.url.clone();
    url.set_host(Some("localhost")).unwrap();
    HttpBrowser::new(url)
}

#[tokio::test]
async fn log_in_that_begins_under_localhost_completes() {
    let site = Site::start().await;
    let profile = log_in(&at_localhost(&site), "/login", "user@example.com").await;
    assert_eq!(profile.url, site.url.join("/profile").unwrap(), "{}", profile.text());
}

#[tokio::test]
async fn redirects_get_and_head_with_path_and_query() {
    let site = Site::start().await;
    let browser = at_localhost(&site);
    for method in [Method::GET, Method::HEAD] {
        for path in ["/", "/login?next=%2Fadmin", "/a%20b/?x=%2F&y", "/nowhere"] {
            let answer = browser.request(method.clone(), path).send().await.unwrap();
            let to = answer.headers().get("location").map(|to| to.to_str().unwrap());
            let expected = format!("{}{path}", site.url.origin().ascii_serialization());
            assert_eq!((answer.status(), to), (StatusCode::TEMPORARY_REDIRECT, Some(&*expected)));
            assert!(!answer.headers().contains_key("set-cookie"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn health_and_back_channel_are_served_under_every_host() {
    let site = Site::start().await;
    let browser = at_localhost(&site);
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(browser.get(path).await.status, StatusCode::OK, "{path}");
    }
    let notice = browser.post("/backchannel-logout", &[("logout_token", "x")], &[]).await;
    assert_eq!(notice.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn never_redirects_behind_proxy_that_replaces_host() {
    let public_url = ("PUBLIC_URL", "https://app.example".to_owned());
    let options = SiteOptions { settings: vec![public_url], ..SiteOptions::default() };
    let site = Site::start_with(options).await;
    assert_eq!(site.browser().get("/").await.status, StatusCode::OK);
    assert_eq!(at_localhost(&site).get("/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn serves_http_1_0_without_host() {
    let site = Site::start().await;
    let address = site.url.socket_addrs(|| None).unwrap();
    let mut stream = TcpStream::connect(&*address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
}
