//! Log-in, refresh and log-out with Keycloak.

use std::time::{Duration, Instant};

use http::StatusCode;
use portico::guards::{Needs, Permitted};
use portico_tests::{
    browser::Browser,
    foreign::keycloak::{CLIENT_SECRET, Keycloak},
    free_port::free_port,
    http_browser::HttpBrowser,
    page::Page,
    site::{Site, SiteOptions},
};
use reqwest::Method;
use rocket::{get, routes};
use serde_json::json;
use url::Url;

use super::api::Api;

const USER: &str = "user@example.com";
const ADMIN: &str = "admin@example.com";

const TIMEOUT: Duration = Duration::from_secs(60);

struct ReadReports;

impl Needs for ReadReports {
    const PERMISSION: &'static str = "read:reports";
}

#[get("/reports")]
fn reports(user: Permitted<'_, ReadReports>) -> String {
    user.subject().subject.clone()
}

/// A site that is a client of Keycloak.
struct KeycloakSite {
    keycloak: &'static Keycloak,
    site: Site,
    api: Api,
}

impl KeycloakSite {
    /// Registers the client of this id, with these attributes besides the usual ones.
    async fn start(
        client: &str,
        attributes: &[(&str, &str)],
        settings: &[(&'static str, &str)],
    ) -> Self {
        let keycloak = Keycloak::shared().await;
        let port = free_port();
        let url = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
        keycloak.register(client, &url, attributes).await;
        let usual = [
            ("OIDC_ISSUER_URL", keycloak.issuer()),
            ("OIDC_CLIENT_ID", client.to_owned()),
            ("OIDC_CLIENT_SECRET", CLIENT_SECRET.to_owned()),
            ("OIDC_AUDIENCE", String::new()),
            ("PERMISSIONS_CLAIMS", "realm_access.roles".to_owned()),
            ("API_SERVER_URL", url.to_string()),
        ];
        let own = settings.iter().map(|(key, value)| (*key, (*value).to_owned()));
        let introspection = keycloak.endpoint("token/introspect");
        let api = Api::new(introspection, (client, CLIENT_SECRET), |token| {
            let roles = token["realm_access"]["roles"].as_array();
            roles.is_some_and(|roles| roles.contains(&json!("read:admin-messages")))
        });
        let options = SiteOptions {
            port: Some(port),
            settings: usual.into_iter().chain(own).collect(),
            routes: [api.routes(), routes![reports]].concat(),
            ..SiteOptions::default()
        };
        Self { keycloak, site: Site::start_with(options).await, api }
    }

    /// A browser that is logged in, and the profile.
    async fn logged_in(&self, email: &str) -> (HttpBrowser, Page) {
        let browser = self.site.browser();
        let form = browser.visit("/login").await;
        let account = [("Username or email", email), ("Password", "portico")];
        let profile = browser.submit(&form, "Sign In", &account).await;
        assert_eq!(profile.url.path(), "/profile", "{}", profile.text());
        (browser, profile)
    }
}

/// A claim of the ID token on the profile.
fn claim(profile: &Page, name: &str) -> String {
    let text = profile.text();
    let (_, after) =
        text.split_once(&format!("\"{name}\": \"")).unwrap_or_else(|| panic!("{text}"));
    after.split('"').next().unwrap().to_owned()
}

async fn log_in_with_chromium(browser: &Browser, email: &str) {
    browser.click_text("Log In").await;
    browser.fill_label("Username or email", email).await;
    browser.fill_label("Password", "portico").await;
    browser.click_text("Sign In").await;
    browser.wait_for_text("Decoded ID token").await;
}

#[tokio::test]
#[cfg_attr(
    not(all(keycloak, browser)),
    ignore = "missing: run tests/foreign/install, apt-get install chromium chromium-driver"
)]
async fn logs_in_and_out_and_in_as_another_user_with_chromium() {
    let with = KeycloakSite::start("chromium", &[], &[]).await;
    let browser = Browser::start().await;
    browser.goto(&with.site.url).await;
    log_in_with_chromium(&browser, USER).await;
    let profile = browser.text().await;
    assert!(profile.contains("Uma User") && profile.contains(USER), "{profile}");
    browser.click_text("Protected").await;
    browser.wait_for_text("This is a protected message.").await;
    browser.click_text("Admin").await;
    browser.wait_for_text("Permission denied").await;
    browser.click_text("Log Out").await;
    browser.wait_for_text("Sign Up").await;
    assert_eq!(browser.url().await.path(), "/");

    // The session at Keycloak has ended too, or it would not ask for the password.
    log_in_with_chromium(&browser, ADMIN).await;
    assert!(browser.text().await.contains("Ada Admin"));
    browser.click_text("Admin").await;
    browser.wait_for_text("This is an admin message.").await;
}

#[tokio::test]
#[cfg_attr(
    not(all(keycloak, browser)),
    ignore = "missing: run tests/foreign/install, apt-get install chromium chromium-driver"
)]
async fn signs_up_with_chromium() {
    let with = KeycloakSite::start("sign-up", &[], &[]).await;
    let browser = Browser::start().await;
    browser.goto(&with.site.url).await;
    browser.click_text("Sign Up").await;
    for (label, value) in [
        ("Username *", "new"),
        ("Password *", "correct horse"),
        ("Confirm password *", "correct horse"),
        ("Email *", "new@example.com"),
        ("First name *", "Nia"),
        ("Last name *", "New"),
    ] {
        browser.fill_label(label, value).await;
    }
    browser.click_text("Register").await;
    browser.wait_for_text("Decoded ID token").await;
    assert!(browser.text().await.contains("Nia New"));
}

#[tokio::test]
#[cfg_attr(not(keycloak), ignore = "Keycloak is missing: run tests/foreign/install")]
async fn realm_role_opens_guarded_page() {
    let with = KeycloakSite::start("roles", &[], &[]).await;
    for (email, status) in [(USER, StatusCode::FORBIDDEN), (ADMIN, StatusCode::OK)] {
        let (browser, _) = with.logged_in(email).await;
        let reports = browser.get("/reports").await;
        assert_eq!(reports.status, status, "{}", reports.text());
    }
}

#[tokio::test]
#[cfg_attr(not(keycloak), ignore = "Keycloak is missing: run tests/foreign/install")]
async fn renews_access_token_without_offline_access() {
    let with = KeycloakSite::start("refresh", &[("access.token.lifespan", "5")], &[]).await;
    let (browser, _) = with.logged_in(USER).await;
    let start = Instant::now();
    while with.api.tokens().len() < 3 {
        let page = browser.get("/protected").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        assert!(start.elapsed() < TIMEOUT, "{} access tokens", with.api.tokens().len());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
#[cfg_attr(not(keycloak), ignore = "Keycloak is missing: run tests/foreign/install")]
async fn back_channel_logout_ends_one_session() {
    let with = KeycloakSite::start("back-channel", &[], &[]).await;
    let (browser, profile) = with.logged_in(USER).await;
    let (other, _) = with.logged_in(USER).await;
    with.keycloak.end_session(&claim(&profile, "sid")).await;
    let start = Instant::now();
    while browser.get("/profile").await.status == StatusCode::OK {
        assert!(start.elapsed() < TIMEOUT, "still logged in");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(other.get("/profile").await.status, StatusCode::OK);
}

#[tokio::test]
#[cfg_attr(not(keycloak), ignore = "Keycloak is missing: run tests/foreign/install")]
async fn log_out_ends_session_at_provider_and_returns() {
    let with = KeycloakSite::start("log-out", &[], &[]).await;
    let (browser, profile) = with.logged_in(ADMIN).await;
    let sid = claim(&profile, "sid");
    assert!(with.keycloak.sessions(ADMIN).await.contains(&sid));
    let home = browser.submit(&profile, "Log Out", &[]).await;
    let path = with.keycloak.endpoint("logout");
    assert!(home.hops.iter().any(|hop| hop.url.as_str().starts_with(&path)), "{:?}", home.hops);
    assert_eq!(home.url.path(), "/", "{}", home.text());
    assert!(!with.keycloak.sessions(ADMIN).await.contains(&sid));
    let page = browser.visit("/profile").await;
    assert!(page.text().contains("Username or email"), "{}", page.text());
}

#[tokio::test]
#[cfg_attr(not(keycloak), ignore = "Keycloak is missing: run tests/foreign/install")]
async fn logs_in_where_userinfo_refuses_the_access_token() {
    let attributes = [("client.use.lightweight.access.token.enabled", "true")];
    let settings = [("OIDC_USERINFO", "always")];
    let with = KeycloakSite::start("lightweight", &attributes, &settings).await;
    let (browser, profile) = with.logged_in(USER).await;
    assert!(profile.text().contains("Uma User"), "{}", profile.text());
    assert!(browser.visit("/protected").await.text().contains("This is a protected message."));

    // Without this refusal the test would test nothing.
    let token = with.api.tokens().into_iter().next().unwrap();
    let request = browser.request(Method::GET, &with.keycloak.endpoint("userinfo"));
    let response = request.bearer_auth(token).send().await.unwrap();
    assert!(response.status().is_client_error(), "{}", response.status());
}
