//! Log-ins in several tabs, callbacks that match no attempt, and browsers that lose their session.

use std::sync::Arc;

use chrono::TimeDelta;
use http::StatusCode;
use portico_domain::ports::Clock;
use portico_tests::site::{Change, Site, SiteOptions, log_in};

const USER: &str = "user@example.com";

#[tokio::test]
async fn two_tabs_complete_logins_in_any_order() {
    let site = Site::start().await;
    let browser = site.browser();
    let first = browser.visit("/login?next=%2Fprotected").await;
    let second = browser.visit("/login?next=%2Fadmin").await;
    let credentials = [("Email", USER), ("Password", "portico")];
    let admin = browser.submit(&second, "Log In", &credentials).await;
    assert_eq!(admin.url.path(), "/admin");
    let protected = browser.submit(&first, "Log In", &credentials).await;
    assert_eq!((protected.status, protected.url.path()), (StatusCode::OK, "/protected"));
}

/// A restored browser window opens all its tabs simultaneously or one after the other.
#[tokio::test]
async fn twenty_tabs_each_return_to_requested_page() {
    let site = Site::start().await;
    for at_once in [true, false] {
        let browser = site.browser();
        let addresses: Vec<_> = (0..20).map(|number| format!("/protected?tab={number}")).collect();
        let mut forms = Vec::new();
        for address in &addresses {
            if at_once {
                forms.push(browser.visit(address).await);
            } else {
                let fields = [("Email", "user@example.com"), ("Password", "portico")];
                let mut page = browser.visit(address).await;
                if page.url.path() != "/protected" {
                    page = browser.submit(&page, "Log In", &fields).await;
                }
                assert_eq!(page.url.query(), address.split_once('?').map(|(_, query)| query));
            }
        }
        assert!(browser.cookies().is_none_or(|cookies| cookies.len() < 8_000));
        for (form, address) in forms.into_iter().zip(&addresses) {
            let fields = [("Email", "user@example.com"), ("Password", "portico")];
            let page = browser.submit(&form, "Log In", &fields).await;
            assert_eq!(page.url.path(), "/protected", "{}", page.text());
            assert_eq!(page.url.query(), address.split_once('?').map(|(_, query)| query));
        }
    }
}

#[tokio::test]
async fn repeated_callback_redirects_logged_in_user_and_fails_for_others() {
    let site = Site::start().await;
    let (browser, profile) = site.signed_in(USER).await;
    let callback = profile.hops.iter().find(|hop| hop.url.path() == "/callback").unwrap();
    let again = browser.get(callback.url.as_str()).await;
    assert_eq!((again.status, again.header("location")), (StatusCode::SEE_OTHER, Some("/profile")));

    let anonymous = site.browser().get(callback.url.as_str()).await;
    assert_eq!(anonymous.status, StatusCode::BAD_REQUEST);
    assert!(anonymous.text().contains("This log-in cannot be completed"), "{}", anonymous.text());
    assert!(anonymous.link("Log in again").is_some());
    assert_eq!(site.servers.request_count("token"), 1);
}

#[tokio::test]
async fn malformed_callback_shows_error_page() {
    let site = Site::start().await;
    for query in [
        "",
        "?state=x",
        "?code=x",
        "?state=x&code=y",
        "?error=access_denied",
        "?state=%FF&code=%00",
    ] {
        let page = site.browser().get(&format!("/callback{query}")).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(page.text().contains("This log-in cannot be completed"), "{query}");
    }
    assert_eq!(site.servers.request_count("token"), 0);
}

#[tokio::test]
async fn cancelled_login_shows_error_page() {
    let site = Site::start().await;
    let browser = site.browser();
    let form = browser.visit("/login").await;
    let page = browser.click(&form, "Cancel").await;
    assert_eq!((page.status, page.url.path()), (StatusCode::BAD_REQUEST, "/callback"));
    assert!(page.text().contains("You were not let in"), "{}", page.text());
    // The page shows the reference of the log entry.
    assert!(page.text().contains("Reference"), "{}", page.text());
}

#[tokio::test]
async fn stops_redirect_loop_of_browser_that_loses_its_session() {
    let clock = crate::identity::clock_at_now();
    let site_clock: Arc<dyn Clock> = clock.clone();
    let ports: Change = Box::new(move |ports| ports.clock = site_clock);
    let site = Site::start_with(SiteOptions { ports: Some(ports), ..SiteOptions::default() }).await;
    let browser = site.browser();
    let lose_session = || {
        let cookies = browser.cookies().unwrap_or_default();
        for name in
            cookies.split("; ").filter_map(|pair| pair.split_once('=')).map(|(name, _)| name)
        {
            if name.starts_with("portico_session") {
                browser.set_cookie(&format!("{name}=; Path=/; Max-Age=0"));
            }
        }
    };
    // Unfinished log-ins do not count.
    for _ in 0..10 {
        assert_eq!(browser.get("/login").await.status, StatusCode::SEE_OTHER);
    }
    log_in(&browser, "/login", "user@example.com").await;
    for _ in 0..2 {
        lose_session();
        let page = browser.visit("/protected").await;
        assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/protected"));
    }
    lose_session();
    let page = browser.get("/login").await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(page.heading(), "Too many log-ins");
    assert_eq!(site.browser().get("/login").await.status, StatusCode::SEE_OTHER, "another browser");

    clock.advance(TimeDelta::seconds(60));
    let page = browser.visit("/protected").await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/protected"));
    // A log-out does not count as a lost session.
    for _ in 0..5 {
        let page = browser.visit("/profile").await;
        browser.submit(&page, "Log Out", &[]).await;
        let page = log_in(&browser, "/login", "user@example.com").await;
        assert_eq!(page.url.path(), "/profile", "{}", page.text());
    }
}
