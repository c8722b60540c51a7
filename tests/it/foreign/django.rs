//! Sign-up, log-in, refresh and log-out with django-oauth-toolkit.

use std::time::{Duration, Instant};

use http::StatusCode;
use portico_tests::{
    browser::Browser,
    foreign::django::{CLIENT_SECRET, Django},
    free_port::free_port,
    http_browser::HttpBrowser,
    page::Page,
    site::{Site, SiteOptions},
};
use url::Url;

use super::api::Api;

const TIMEOUT: Duration = Duration::from_secs(60);

/// A site that is a client of Django.
struct DjangoSite {
    django: &'static Django,
    site: Site,
    api: Api,
    username: String,
}

impl DjangoSite {
    /// Registers the client of this id.
    async fn start(client: &str, settings: &[(&'static str, &str)]) -> Self {
        let django = Django::shared().await;
        let port = free_port();
        let url = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
        django.register(client, &url).await;
        let usual = [
            ("OIDC_ISSUER_URL", django.issuer.clone()),
            ("OIDC_CLIENT_ID", client.to_owned()),
            ("OIDC_CLIENT_SECRET", CLIENT_SECRET.to_owned()),
            ("OIDC_AUDIENCE", String::new()),
            ("PERMISSIONS_CLAIMS", "groups".to_owned()),
            ("API_SERVER_URL", url.to_string()),
        ];
        let own = settings.iter().map(|(key, value)| (*key, (*value).to_owned()));
        let api = Api::new(django.endpoint("introspect"), (client, CLIENT_SECRET), |token| {
            token["username"].as_str().is_some_and(|name| name.starts_with("admin-"))
        });
        let options = SiteOptions {
            port: Some(port),
            settings: usual.into_iter().chain(own).collect(),
            routes: api.routes(),
            ..SiteOptions::default()
        };
        Self {
            django,
            site: Site::start_with(options).await,
            api,
            username: format!("user-{client}"),
        }
    }

    /// The consent page, after the log-in page.
    async fn consent(&self, browser: &HttpBrowser, address: &str) -> Page {
        let form = browser.visit(address).await;
        let account = [("Username:", self.username.as_str()), ("Password:", "portico")];
        browser.submit(&form, "Continue", &account).await
    }

    /// A browser that is logged in, and the profile.
    async fn logged_in(&self) -> (HttpBrowser, Page) {
        let browser = self.site.browser();
        let consent = self.consent(&browser, "/login").await;
        let profile = browser.submit(&consent, "Authorize", &[]).await;
        assert_eq!(profile.url.path(), "/profile", "{}", profile.text());
        (browser, profile)
    }

    /// Logs out, confirms it at Django, and returns to the site.
    async fn log_out(&self, browser: &HttpBrowser, profile: &Page) {
        let question = browser.submit(profile, "Log Out", &[]).await;
        let path = self.django.endpoint("logout");
        assert!(question.url.as_str().starts_with(&path), "{}", question.url);
        let home = browser.submit(&question, "Logout", &[]).await;
        assert_eq!(home.url.origin(), self.site.url.origin(), "{}", home.text());
        assert_eq!(home.url.path(), "/", "{}", home.text());
    }
}

async fn log_in_with_chromium(browser: &Browser, username: &str) {
    browser.click_text("Log In").await;
    browser.fill_label("Username:", username).await;
    browser.fill_label("Password:", "portico").await;
    browser.click_text("Continue").await;
    browser.click_text("Authorize").await;
    browser.wait_for_text("Decoded ID token").await;
}

#[tokio::test]
#[cfg_attr(
    not(all(django, browser)),
    ignore = "missing: run tests/foreign/install, apt-get install chromium chromium-driver"
)]
async fn logs_in_and_out_and_in_as_another_user_with_chromium() {
    let with = DjangoSite::start("chromium", &[]).await;
    let browser = Browser::start().await;
    browser.goto(&with.site.url).await;
    log_in_with_chromium(&browser, "user-chromium").await;
    let profile = browser.text().await;
    assert!(profile.contains("Uma User") && profile.contains("user@example.com"), "{profile}");
    browser.click_text("Protected").await;
    browser.wait_for_text("This is a protected message.").await;
    browser.click_text("Admin").await;
    browser.wait_for_text("Permission denied").await;
    browser.click_text("Log Out").await;
    browser.wait_for_text("Confirm Logout requested by Portico").await;
    browser.click_text("Logout").await;
    browser.wait_for_text("Sign Up").await;
    assert_eq!(browser.url().await.path(), "/");

    // The session at Django has ended too, or it would not ask for the password.
    log_in_with_chromium(&browser, "admin-chromium").await;
    assert!(browser.text().await.contains("Ada Admin"));
    browser.click_text("Admin").await;
    browser.wait_for_text("This is an admin message.").await;
}

#[tokio::test]
#[cfg_attr(
    not(all(django, browser)),
    ignore = "missing: run tests/foreign/install, apt-get install chromium chromium-driver"
)]
async fn signs_up_with_chromium() {
    let with = DjangoSite::start("sign-up", &[]).await;
    let browser = Browser::start().await;
    browser.goto(&with.site.url).await;
    browser.click_text("Sign Up").await;
    browser.wait_for_text("Create an account").await;
    for (label, value) in [
        ("Username:", "new"),
        ("Email address:", "new@example.com"),
        ("Password:", "correct horse"),
        ("Password confirmation:", "correct horse"),
    ] {
        browser.fill_label(label, value).await;
    }
    browser.click_text("Create").await;
    // Django does not log in whoever signed up.
    browser.fill_label("Username:", "new").await;
    browser.fill_label("Password:", "correct horse").await;
    browser.click_text("Continue").await;
    browser.click_text("Authorize").await;
    browser.wait_for_text("Decoded ID token").await;
    // The claim `name` is empty: the heading, too, is the email address.
    let profile = browser.text().await;
    assert!(profile.contains("new@example.com\nnew@example.com"), "{profile}");
}

#[tokio::test]
#[cfg_attr(not(django), ignore = "django-oauth-toolkit is missing: run tests/foreign/install")]
async fn renews_access_token_without_offline_access() {
    let with = DjangoSite::start("refresh", &[]).await;
    let (browser, _) = with.logged_in().await;
    let start = Instant::now();
    while with.api.tokens().len() < 3 {
        let page = browser.get("/protected").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        assert!(start.elapsed() < TIMEOUT, "{} access tokens", with.api.tokens().len());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // Django accepts the ID token of the refresh as a hint.
    let profile = browser.visit("/profile").await;
    with.log_out(&browser, &profile).await;
}

#[tokio::test]
#[cfg_attr(not(django), ignore = "django-oauth-toolkit is missing: run tests/foreign/install")]
async fn refused_consent_names_the_refusal() {
    let with = DjangoSite::start("consent", &[]).await;
    let browser = with.site.browser();
    let consent = with.consent(&browser, "/login?next=/protected").await;
    let page = browser.submit(&consent, "Cancel", &[]).await;
    assert_eq!(page.url.path(), "/callback", "{}", page.text());
    assert_eq!(page.heading(), "You were not let in", "{}", page.text());
    // Another account is asked for, and leads to the page that was wanted.
    let other = page.link("Log in with another account").unwrap();
    let consent = with.consent(&browser, other.as_str()).await;
    let page = browser.submit(&consent, "Authorize", &[]).await;
    assert_eq!(page.url.path(), "/protected", "{}", page.text());
}

#[tokio::test]
#[cfg_attr(not(django), ignore = "django-oauth-toolkit is missing: run tests/foreign/install")]
async fn refused_scope_is_reported_as_a_fault_of_the_settings() {
    let scopes = [("OIDC_SCOPES", "openid profile email offline_access")];
    let with = DjangoSite::start("scopes", &scopes).await;
    let browser = with.site.browser();
    let consent = with.consent(&browser, "/login").await;
    assert_eq!(consent.url.path(), "/callback", "{}", consent.text());
    assert_eq!(consent.status, StatusCode::INTERNAL_SERVER_ERROR, "{}", consent.text());
    assert_eq!(consent.link("Log in again"), None, "{}", consent.text());
}

#[tokio::test]
#[cfg_attr(not(django), ignore = "django-oauth-toolkit is missing: run tests/foreign/install")]
async fn log_out_ends_session_at_provider_and_returns() {
    let with = DjangoSite::start("log-out", &[]).await;
    let (browser, profile) = with.logged_in().await;
    let (other, other_profile) = with.logged_in().await;
    for (browser, profile) in [(browser, profile), (other, other_profile)] {
        with.log_out(&browser, &profile).await;
        let page = browser.visit("/profile").await;
        assert_eq!(page.url.path(), "/accounts/login/", "{}", page.text());
    }
}
