//! The limit on log-ins begun by one address.

use http::StatusCode;
use portico_tests::{
    http_browser::HttpBrowser,
    page::Page,
    site::{Site, SiteOptions},
};

/// Begins log-ins until one is refused; the page that refuses it.
async fn exhaust(browser: &HttpBrowser, forwarded: impl Fn(usize) -> String) -> Page {
    for number in 0..240 {
        let path = if number % 2 == 0 { "/login" } else { "/signup" };
        let page = browser.get_with(path, &[("X-Forwarded-For", &forwarded(number))]).await;
        if page.status != StatusCode::SEE_OTHER {
            assert!(number >= 60, "{number}: {}", page.text());
            return page;
        }
    }
    panic!("240 log-ins were begun");
}

#[tokio::test]
async fn refuses_too_many_log_ins_of_one_address_whatever_it_forges() {
    let site = Site::start().await;
    let browser = site.browser();
    let page = exhaust(&browser, |number| format!("203.0.113.{number}")).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(page.heading(), "Too many log-ins");
    let wait: u64 = page.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    assert_eq!(browser.get("/public").await.status, StatusCode::OK);
}

#[tokio::test]
async fn counts_clients_of_trusted_proxy_apart() {
    let settings = vec![("TRUSTED_PROXIES", "127.0.0.1".to_owned())];
    let site = Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await;
    let browser = site.browser();
    // The first address is the client's own invention.
    let page =
        exhaust(&browser, |number| format!("203.0.113.{number}, 2001:db8::{number:x}")).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    let other = [("X-Forwarded-For", "2001:db8:0:1::1")];
    assert_eq!(browser.get_with("/login", &other).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn prefetch_is_not_counted() {
    let site = Site::start().await;
    let browser = site.browser();
    for _ in 0..240 {
        browser.get_with("/login", &[("Sec-Purpose", "prefetch")]).await;
    }
    assert_eq!(browser.get("/login").await.status, StatusCode::SEE_OTHER);
}
