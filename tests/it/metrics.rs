//! What the site counts, and what it never shows.

use std::collections::HashSet;

use http::StatusCode;
use portico::config::Settings;
use portico_tests::{
    free_port::free_port,
    http_browser::HttpBrowser,
    site::{CLIENT_SECRET, SECRET_KEY, Site, SiteOptions, log_in},
};
use tokio::net::TcpListener;
use url::Url;

use crate::instances::process::{Cluster, Store};

const USER: &str = "user@example.com";

/// The value of the line that begins with this name and labels; 0 where there is no such line.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

fn requests(method: &str, route: &str, status: &str) -> String {
    format!(
        "portico_http_request_duration_seconds_count{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}"
    )
}

async fn site_with_refresh() -> Site {
    let settings = vec![("OIDC_SCOPES", "openid profile email offline_access".to_owned())];
    Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await
}

#[tokio::test]
async fn log_in_changes_the_numbers() {
    let site = Site::start().await;
    let (browser, profile) = site.signed_in(USER).await;
    let protected = browser.get("/protected").await;
    assert_eq!(protected.status, StatusCode::OK);
    // A repeated callback begins no session, and one without an attempt fails.
    let callback = profile.hops.iter().find(|hop| hop.url.path() == "/callback").unwrap();
    browser.get(callback.url.as_str()).await;
    site.browser().get(callback.url.as_str()).await;
    let token = [("logout_token", "a.b.c")];
    browser.post("/backchannel-logout", &token, &[]).await;

    let text = site.metrics.text().unwrap();
    for (series, expected) in [
        ("portico_logins_begun_total", 1.0),
        ("portico_logins_completed_total", 1.0),
        ("portico_logins_failed_total{cause=\"no_attempt\"}", 1.0),
        ("portico_logout_tokens_total{outcome=\"invalid\"}", 1.0),
        ("portico_provider_call_duration_seconds_count{operation=\"redeem\",outcome=\"ok\"}", 1.0),
        ("portico_api_call_duration_seconds_count{operation=\"read\",outcome=\"ok\"}", 1.0),
        (&*requests("GET", "/protected", "2xx"), 1.0),
        (&*requests("GET", "/callback", "3xx"), 2.0),
        (&*requests("GET", "/callback", "4xx"), 1.0),
    ] {
        assert_eq!(value(&text, series), expected, "{series} in {text}");
    }
    assert!(value(&text, "portico_open_connections") >= 1.0, "{text}");
    assert!(value(&text, "portico_database_connections{state=\"maximum\"}") >= 1.0, "{text}");
    assert!(text.contains("\nportico_ended_sessions_list_age_seconds"), "{text}");
    assert!(text.contains("\nportico_provider_clock_difference_seconds"), "{text}");
}

#[tokio::test]
async fn failures_to_alert_on_are_zero_at_start() {
    let site = Site::start().await;
    let text = site.metrics.text().unwrap();
    for series in [
        "portico_logins_failed_total{cause=\"provider_fault\"} 0",
        "portico_token_refreshes_total{outcome=\"refused\"} 0",
        "portico_logout_tokens_total{outcome=\"invalid\"} 0",
    ] {
        assert!(text.lines().any(|line| line == series), "{series} in {text}");
    }
}

#[tokio::test]
async fn addresses_without_a_route_make_one_series() {
    let site = Site::start().await;
    let browser = site.browser();
    for number in 0..20 {
        browser.get(&format!("/no-such-page-{number}?code={number}")).await;
    }
    let text = site.metrics.text().unwrap();
    assert_eq!(value(&text, &requests("GET", "none", "4xx")), 20.0, "{text}");
    assert!(!text.contains("no-such-page"), "{text}");
}

#[tokio::test]
async fn shows_no_secret_of_a_log_in() {
    let site = site_with_refresh().await;
    let browser = site.browser();
    let page = log_in(&browser, "/login?next=%2Fprotected", USER).await;
    assert_eq!(page.url.path(), "/protected");
    browser.get("/profile").await;
    let mut secrets: HashSet<String> = [USER, CLIENT_SECRET, SECRET_KEY].map(str::to_owned).into();
    for hop in &page.hops {
        let values = hop.url.query_pairs().map(|(_, value)| value.into_owned());
        secrets.extend(values.filter(|value| value.len() >= 16));
    }
    let cookies = browser.cookies().unwrap();
    let values = cookies.split("; ").filter_map(|pair| pair.split_once('='));
    secrets.extend(values.map(|(_, value)| value.to_owned()).filter(|value| value.len() >= 16));
    assert!(secrets.len() >= 6, "{secrets:?}");
    let text = site.metrics.text().unwrap();
    assert!(value(&text, "portico_logins_completed_total") > 0.0, "{text}");
    for secret in secrets {
        assert!(!text.contains(&secret), "{secret} in {text}");
    }
}

#[test]
fn malformed_address_is_named() {
    for malformed in ["9464", "localhost:9464", "127.0.0.1", "127.0.0.1:0", "http://127.0.0.1:9464"]
    {
        let problems = Settings::from_pairs([("METRICS_ADDRESS", malformed)]).unwrap_err();
        let text = problems.to_string();
        assert!(text.contains("METRICS_ADDRESS"), "{malformed}: {text}");
    }
    assert_eq!(Settings::from_pairs([]).unwrap().metrics_address, None, "off by default");
}

#[tokio::test]
async fn serves_metrics_on_their_own_address_only() {
    let cluster = Cluster::new(Store::CookieAndSqlite).await;
    let address = format!("127.0.0.1:{}", free_port());
    let instance = cluster.first(&[("METRICS_ADDRESS", address.clone())]).await;
    assert_eq!(instance.browser().get("/metrics").await.status, StatusCode::NOT_FOUND);
    let prometheus = HttpBrowser::new(Url::parse(&format!("http://{address}/")).unwrap());
    let page = prometheus.get("/metrics").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(value(&page.body, &requests("GET", "none", "4xx")) >= 1.0, "{}", page.body);
    assert_eq!(prometheus.get("/profile").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn taken_address_is_an_error_at_start() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let cluster = Cluster::new(Store::CookieAndSqlite).await;
    let error = cluster.error(&[("METRICS_ADDRESS", address.clone())]).await;
    assert!(error.contains("METRICS_ADDRESS") && error.contains(&address), "{error}");
}

/// The names of metrics in a text.
fn named(text: &str) -> HashSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let of_metric = |word: &str| {
        let suffixes = ["_total", "_bucket", "_count", "_sum"];
        let stem = suffixes.iter().find_map(|suffix| word.strip_suffix(suffix));
        stem.unwrap_or(word).to_owned()
    };
    words.filter(|word| word.starts_with("portico_")).map(of_metric).collect()
}

#[tokio::test]
async fn dashboard_and_handbook_name_metrics_that_exist() {
    let site = Site::start().await;
    let names: HashSet<_> = site.metrics.names().into_iter().collect();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let dashboard =
        std::fs::read_to_string(format!("{root}/deploy/grafana-dashboard.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let shown = named(&dashboard.to_string());
    assert!(shown.len() >= 6 && shown.is_subset(&names), "{shown:?} {names:?}");
    let handbook = std::fs::read_to_string(format!("{root}/docs/operate.md")).unwrap();
    let (_, section) = handbook.split_once("\n## Metrics\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    assert_eq!(named(section), names);
}
