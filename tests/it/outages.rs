//! What users see during an outage of the provider, the API or the database, and recovery without a
//! restart.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;
use portico_adapters::sessions::{LoginAttemptStores, SessionStores};
use portico_contracts::Server;
use portico_development::Fault;
use portico_domain::model::LoginLoopGuard;
use portico_domain::ports::{
    LoginAttempts, MockLoginAttempts, MockSessionStore, SessionStore, SessionsUnavailable,
};
use portico_tests::{
    http_browser::HttpBrowser,
    page::Page,
    postgres::Postgres,
    site::{Change, Site, SiteOptions, log_in},
};
use rocket::Request;

const USER: &str = "user@example.com";

/// Requests a page until it has the status, after a server was started again.
async fn until(browser: &HttpBrowser, address: &str, status: StatusCode) -> Page {
    let start = Instant::now();
    loop {
        let page = browser.get(address).await;
        if page.status == status {
            return page;
        }
        assert!(start.elapsed() < Duration::from_secs(15), "{address} stays {}", page.status);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// An error page with this heading and a reference.
fn assert_explains(page: &Page, status: StatusCode, heading: &str) {
    assert_eq!((page.status, page.heading().as_str()), (status, heading), "{}", page.text());
    assert!(page.text().contains("Reference"), "{}", page.text());
}

#[tokio::test]
async fn serves_public_pages_and_refuses_login_during_provider_outage() {
    let site = Site::start().await;
    site.servers.stop_provider().await;
    let browser = site.browser();
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    assert_eq!(browser.get("/public").await.status, StatusCode::OK);
    assert_eq!(browser.get("/health/ready").await.status, StatusCode::OK);
    let page = browser.get("/login?next=%2Fprotected").await;
    let again = page.link("Try again").unwrap();
    assert_eq!((again.path(), again.query()), ("/login", Some("next=%2Fprotected")));
    let page = browser.get("/signup").await;
    assert_eq!(page.link("Try again").unwrap().path(), "/signup");
    for address in ["/login", "/signup"] {
        let page = browser.get(address).await;
        assert_explains(&page, StatusCode::SERVICE_UNAVAILABLE, "Log-in is not possible just now");
        assert!(page.header("retry-after").is_some());
    }
    let json = browser.get_json("/login").await;
    assert_eq!(json.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(json.json()["reference"].is_string());

    site.servers.start_provider().await.unwrap();
    until(&browser, "/login", StatusCode::SEE_OTHER).await;
    assert_eq!(log_in(&browser, "/protected", USER).await.url.path(), "/protected");
}

#[tokio::test]
async fn failing_token_endpoint_is_a_502() {
    let site = Site::start().await;
    let browser = site.browser();
    let form = browser.visit("/login").await;
    site.servers.faults().set(Fault::TokenFails);
    let fields = [("Email", USER), ("Password", "portico")];
    let page = browser.submit(&form, "Log In", &fields).await;
    assert_explains(&page, StatusCode::BAD_GATEWAY, "Log-in failed");
    assert_eq!(browser.get("/profile").await.status, StatusCode::SEE_OTHER);

    site.servers.faults().clear();
    assert_eq!(browser.visit("/protected").await.url.path(), "/protected");
}

#[tokio::test]
async fn silent_token_endpoint_is_a_504() {
    let site = Site::start().await;
    let browser = site.browser();
    let form = browser.visit("/login").await;
    site.servers.faults().set(Fault::TokenSlow(Duration::from_secs(60)));
    let fields = [("Email", USER), ("Password", "portico")];
    let page = browser.submit(&form, "Log In", &fields).await;
    assert_explains(&page, StatusCode::GATEWAY_TIMEOUT, "Log-in takes too long");
}

#[tokio::test]
async fn session_and_logout_work_during_provider_outage() {
    let site = Site::start().await;
    let (browser, _) = site.signed_in(USER).await;
    site.servers.stop_provider().await;
    let profile = browser.get("/profile").await;
    assert_eq!(profile.status, StatusCode::OK);
    // The metadata are cached, so the browser is redirected although the provider is down.
    let client_side = browser.get("/logout").await;
    assert!(matches!(client_side.status, StatusCode::OK | StatusCode::SEE_OTHER));
}

#[tokio::test]
async fn api_outage_is_a_502_and_keeps_session() {
    let site = Site::start().await;
    let (browser, _) = site.signed_in(USER).await;
    assert_eq!(browser.get("/protected").await.status, StatusCode::OK);
    site.servers.stop_api().await;
    for address in ["/public", "/protected", "/admin"] {
        let page = browser.get(address).await;
        assert_explains(&page, StatusCode::BAD_GATEWAY, "The messages are out of reach");
        assert!(page.text().contains("You are still signed in."), "{}", page.text());
    }
    let page = site.browser().get("/public").await;
    assert_explains(&page, StatusCode::BAD_GATEWAY, "The messages are out of reach");
    assert!(!page.text().contains("signed in"), "{}", page.text());
    assert_eq!(browser.get("/profile").await.status, StatusCode::OK);
    site.servers.start_api().await.unwrap();
    let page = until(&browser, "/protected", StatusCode::OK).await;
    assert!(page.text().contains("This is a protected message."));
}

#[tokio::test]
async fn silent_api_is_a_504_and_invalid_response_a_502() {
    let site = Site::start().await;
    let browser = site.browser();
    for fault in [Fault::ApiFails, Fault::ApiHtml] {
        site.servers.faults().set(fault);
        let page = browser.get("/public").await;
        assert_explains(&page, StatusCode::BAD_GATEWAY, "The messages are out of reach");
        site.servers.faults().clear();
    }
    site.servers.faults().set(Fault::ApiSlow(Duration::from_secs(60)));
    let page = browser.get("/public").await;
    assert_explains(&page, StatusCode::GATEWAY_TIMEOUT, "The messages take too long");
    site.servers.faults().clear();
    assert_eq!(browser.get("/public").await.status, StatusCode::OK);
}

#[tokio::test]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
async fn database_outage_prevents_login_and_readiness() {
    let mut postgres = Postgres::start();
    let settings = vec![("DATABASE_URL", postgres.url())];
    let site = Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await;
    let (signed_in_before, _) = site.signed_in("admin@example.com").await;

    postgres.stop().await;
    let browser = site.browser();
    let page = log_in(&browser, "/protected", USER).await;
    assert_explains(&page, StatusCode::SERVICE_UNAVAILABLE, "Log-in is not possible just now");
    assert_eq!(browser.get("/profile").await.status, StatusCode::SEE_OTHER);
    let ready = browser.get("/health/ready").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.json()["failing"][0], "database");
    assert_eq!(browser.get("/health/live").await.status, StatusCode::OK);
    // Existing cookie sessions need no database.
    assert_eq!(signed_in_before.get("/profile").await.status, StatusCode::OK);

    postgres.start_again().await;
    until(&browser, "/health/ready", StatusCode::OK).await;
    // The session at the provider still exists, so it redirects back.
    assert_eq!(browser.visit("/protected").await.url.path(), "/protected");
}

/// A session store that is out of reach.
struct NoSessions;

fn down() -> SessionsUnavailable {
    SessionsUnavailable("out of reach".into())
}

impl SessionStores for NoSessions {
    fn of<'r>(&'r self, _: &'r Request<'_>) -> Box<dyn SessionStore + 'r> {
        let mut store = MockSessionStore::new();
        store.expect_current().returning(|| Err(down()));
        Box::new(store)
    }
}

impl LoginAttemptStores for NoSessions {
    fn of<'r>(&'r self, _: &'r Request<'_>) -> Box<dyn LoginAttempts + 'r> {
        let mut attempts = MockLoginAttempts::new();
        attempts.expect_take().returning(|_| Err(down()));
        attempts.expect_loop_guard().returning(LoginLoopGuard::default);
        Box::new(attempts)
    }
}

/// The visitor may be logged in or not.
fn claims_nothing_about_visitor(page: &Page) {
    for link in ["Log In", "Sign Up", "Sessions"] {
        assert!(page.link(link).is_none(), "{link} on {}: {}", page.url, page.text());
    }
    assert!(!page.select("header button").contains(&"Log Out".to_owned()), "{}", page.url);
}

#[tokio::test]
async fn session_store_outage_is_a_503_and_no_redirect_to_login() {
    let change: Change = Box::new(|ports| {
        ports.sessions = Arc::new(NoSessions);
        ports.attempts = Arc::new(NoSessions);
    });
    let ports = Some(change);
    let site = Site::start_with(SiteOptions { ports, ..SiteOptions::default() }).await;
    let browser = site.browser();
    for address in
        ["/profile", "/protected", "/admin", "/login", "/logout", "/callback?state=x&code=y"]
    {
        let page = browser.get(address).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{address}");
        assert!(page.text().contains("Reference"), "{address}: {}", page.text());
        claims_nothing_about_visitor(&page);
        let home = browser.click(&page, "Home page").await;
        assert_eq!(home.status, StatusCode::OK, "{address}");
    }
    for address in ["/", "/docs", "/public"] {
        let page = browser.get(address).await;
        assert_eq!(page.status, StatusCode::OK, "{address}");
        claims_nothing_about_visitor(&page);
    }
    let json = browser.get_json("/profile").await;
    assert_eq!(json.status, StatusCode::SERVICE_UNAVAILABLE);
}
