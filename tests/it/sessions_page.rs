//! `/sessions`: users see their sessions and end them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, StatusCode};
use portico_domain::ports::{MockSessionRegistry, SessionsUnavailable};
use portico_tests::{
    http_browser::HttpBrowser,
    page::Page,
    site::{Change, Site, SiteOptions, log_in},
};
use url::Url;

const USER: &str = "user@example.com";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
const SAFARI: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 \
                      (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";

async fn site_with_sessions_in_the_database() -> Site {
    let settings = vec![("SESSION_STORE", "database".to_owned())];
    Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await
}

async fn signed_in(site: &Site, user_agent: &str, email: &str) -> HttpBrowser {
    let browser = HttpBrowser::with_user_agent(site.url.clone(), user_agent);
    let page = log_in(&browser, "/login", email).await;
    assert_eq!(page.url.path(), "/profile", "{}", page.text());
    browser
}

async fn is_signed_in(browser: &HttpBrowser) -> bool {
    browser.get("/profile").await.status == StatusCode::OK
}

/// A page of another site with a form for this site, as an attacker would build it.
fn foreign_page(at: &str, site: &Site, action: &str, fields: &str) -> Page {
    let action = site.url.join(action).unwrap();
    let body = format!("<form method=post action='{action}'>{fields}<button>Win</button></form>");
    let url = Url::parse(at).unwrap();
    Page { url, status: StatusCode::OK, headers: HeaderMap::new(), body, hops: Vec::new() }
}

fn id_on(page: &Page) -> String {
    page.attribute("input[name=id]", "value").unwrap_or_else(|| panic!("{}", page.text()))
}

#[tokio::test]
async fn lists_sessions_and_ends_selected_one() {
    let site = site_with_sessions_in_the_database().await;
    let laptop = signed_in(&site, FIREFOX, USER).await;
    let phone = signed_in(&site, SAFARI, USER).await;

    let page = laptop.click(&laptop.get("/profile").await, "Where you are logged in").await;
    assert_eq!(page.url.path(), "/sessions");
    assert_eq!(
        page.select(".row h2"),
        ["Firefox on Linux This device", "Safari on iPhone"],
        "{}",
        page.body
    );
    assert_eq!(page.select("time[datetime$=Z]").len(), 4, "first and last seen, of each");

    let page = laptop.submit(&page, "End the session of Safari on iPhone", &[]).await;
    assert_eq!((page.hops[0].status, page.url.path()), (StatusCode::SEE_OTHER, "/sessions"));
    assert_eq!(page.select(".row h2"), ["Firefox on Linux This device"]);
    assert_eq!(page.select("[role=status]"), ["The session has ended."]);
    assert!(laptop.get("/sessions").await.select("[role=status]").is_empty(), "said once");
    assert!(page.attribute("form[action^='/sessions']", "action").is_none(), "none is left to end");
    assert!(!is_signed_in(&phone).await);
    assert!(is_signed_in(&laptop).await);
}

#[tokio::test]
async fn ends_other_sessions() {
    let site = site_with_sessions_in_the_database().await;
    let laptop = signed_in(&site, FIREFOX, USER).await;
    let others = [signed_in(&site, SAFARI, USER).await, signed_in(&site, "", USER).await];
    let admin = signed_in(&site, FIREFOX, "admin@example.com").await;

    let page = laptop.get("/sessions").await;
    assert_eq!(page.select("main li").len(), 3);
    let page = laptop.submit(&page, "Log out everywhere else", &[]).await;
    assert_eq!(page.select("main li").len(), 1);
    for other in &others {
        assert!(!is_signed_in(other).await);
    }
    assert!(is_signed_in(&laptop).await && is_signed_in(&admin).await);
}

#[tokio::test]
async fn ends_no_session_of_another_user() {
    let site = site_with_sessions_in_the_database().await;
    let admin = signed_in(&site, FIREFOX, "admin@example.com").await;
    let other = signed_in(&site, SAFARI, "admin@example.com").await;
    let id = id_on(&admin.get("/sessions").await);

    let user = signed_in(&site, FIREFOX, USER).await;
    let form = format!("<input type=hidden name=id value='{id}'>");
    let page = foreign_page(site.url.as_str(), &site, "/sessions/end", &form);
    assert_eq!(user.submit(&page, "Win", &[]).await.status, StatusCode::OK);
    assert!(is_signed_in(&other).await && is_signed_in(&admin).await);
}

#[tokio::test]
async fn refuses_request_from_another_site() {
    let site = site_with_sessions_in_the_database().await;
    let laptop = signed_in(&site, FIREFOX, USER).await;
    let phone = signed_in(&site, SAFARI, USER).await;
    let id = id_on(&laptop.get("/sessions").await);
    let form = format!("<input type=hidden name=id value='{id}'>");
    // Another port of this host is same-site, and is refused too.
    for at in ["https://evil.example/", "http://127.0.0.1:1/"] {
        for action in ["/sessions/end", "/sessions/end-others"] {
            let page = foreign_page(at, &site, action, &form);
            let page = laptop.submit(&page, "Win", &[]).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{at} {action}");
            assert_eq!(page.heading(), "Request refused");
        }
    }
    assert!(is_signed_in(&phone).await);
}

#[tokio::test]
async fn unknown_or_malformed_id_ends_no_session() {
    let site = site_with_sessions_in_the_database().await;
    let browser = signed_in(&site, FIREFOX, USER).await;
    let long = "A".repeat(10_000);
    for id in ["", "x", "<script>", "AAAAAAAAAAAAAAAAAAAAAA", &long] {
        let form = format!("<input type=hidden name=id value=\"{id}\">");
        let page = foreign_page(site.url.as_str(), &site, "/sessions/end", &form);
        let page = browser.submit(&page, "Win", &[]).await;
        assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/sessions"), "{id}");
    }
    let page = foreign_page(site.url.as_str(), &site, "/sessions/end", "");
    let page = browser.submit(&page, "Win", &[]).await;
    assert!(page.status.is_client_error() && page.heading() == "That did not work");
    assert!(is_signed_in(&browser).await);
}

#[tokio::test]
async fn cookie_sessions_show_current_session_only_and_end_others() {
    let site = Site::start().await;
    let laptop = signed_in(&site, FIREFOX, USER).await;
    let phone = signed_in(&site, SAFARI, USER).await;
    let page = laptop.get("/sessions").await;
    assert_eq!(page.select(".row h2"), ["Firefox on Linux This device"]);
    assert!(page.text().contains("this page can show only the one that you are using"));

    assert!(page.text().contains("can log in again without a password"), "{}", page.text());
    let page = laptop.submit(&page, "Log out everywhere else", &[]).await;
    assert_eq!(page.select("[role=status]"), ["All your other sessions have ended."]);
    let start = Instant::now();
    while is_signed_in(&phone).await {
        assert!(start.elapsed() < Duration::from_secs(5), "still signed in");
    }
    assert!(is_signed_in(&laptop).await);
}

#[tokio::test]
async fn requires_login_and_returns() {
    let site = Site::start().await;
    let browser = site.browser();
    let page = browser.get("/sessions").await;
    assert_eq!(page.location().unwrap().query(), Some("next=%2Fsessions"));
    assert_eq!(browser.get_json("/sessions").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(log_in(&browser, "/sessions", USER).await.url.path(), "/sessions");
}

#[tokio::test]
async fn reports_store_outage() {
    let change: Change = Box::new(|ports| {
        let down = || SessionsUnavailable("out of reach".into());
        let mut registry = MockSessionRegistry::new();
        registry.expect_list().returning(move |_| Err(down()));
        registry.expect_revoke().returning(move |_| Err(down()));
        registry.expect_check().returning(move || Err(down()));
        ports.registry = Arc::new(registry);
    });
    let site =
        Site::start_with(SiteOptions { ports: Some(change), ..SiteOptions::default() }).await;
    let (browser, _) = site.signed_in(USER).await;
    let form = foreign_page(site.url.as_str(), &site, "/sessions/end-others", "");
    for page in [browser.get("/sessions").await, browser.submit(&form, "Win", &[]).await] {
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(page.heading(), "Your sessions are out of reach");
        assert!(page.text().contains("Reference"));
    }
    let ready = browser.get("/health/ready").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.json()["failing"], serde_json::json!(["sessions"]));
}
