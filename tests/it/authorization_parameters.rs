//! Parameters of `/login`, log-ins that third parties initiate, and pages that require a fresh log-in.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::TimeDelta;

use http::StatusCode;
use portico::guards::FreshLogin;
use portico_development::Fault;
use portico_domain::ports::Clock;
use portico_tests::{
    http_browser::HttpBrowser,
    site::{Change, Site, SiteOptions, log_in},
};
use reqwest::Method;
use rocket::{get, routes};
use url::{Url, form_urlencoded};

const USER: &str = "user@example.com";

fn query(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// All values of this name.
fn values(url: &Url, name: &str) -> Vec<String> {
    url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value.into()).collect()
}

async fn is_signed_in(browser: &HttpBrowser) -> bool {
    browser.get("/profile").await.status == StatusCode::OK
}

#[tokio::test]
async fn passes_on_allowed_parameters_only() {
    let site = Site::start().await;
    let allowed = [
        ("login_hint", "jo+1@example.com"),
        ("ui_locales", "de en"),
        ("organization", "org_1"),
        ("invitation", "inv&1=2"),
        ("connection", "google-oauth2"),
        ("max_age", "60"),
        ("prompt", "login"),
        ("acr_values", "gold silver"),
    ];
    let others = [
        ("state", "attacker"),
        ("nonce", "attacker"),
        ("redirect_uri", "https://attacker.example"),
        ("client_id", "attacker"),
        ("response_type", "token"),
        ("response_mode", "fragment"),
        ("scope", "everything"),
        ("code_challenge", "attacker"),
        ("audience", "attacker"),
        ("request", "attacker"),
        ("display", "popup"),
    ];
    let link = format!("/login?{}&{}", query(&allowed), query(&others));
    let url = site.browser().get(&link).await.location().unwrap();
    for (name, value) in allowed {
        assert_eq!(values(&url, name), [value], "{name}");
    }
    let usual = site.browser().get("/login").await.location().unwrap();
    for (name, value) in others {
        assert_eq!(values(&url, name).len(), values(&usual, name).len(), "{name}");
        assert!(!values(&url, name).contains(&value.to_owned()), "{name}");
    }
}

#[tokio::test]
async fn refuses_repeated_and_malformed_parameters() {
    let site = Site::start().await;
    let long = "x".repeat(501);
    for (pairs, why) in [
        (&[("max_age", "-1")][..], "a number"),
        (&[("max_age", "99999999999")], "a number that fits"),
        (&[("prompt", "none login")], "one or the other"),
        (&[("prompt", "login"), ("prompt", "login")], "twice"),
        (&[("login_hint", "a\nb")], "a control character"),
        (&[("login_hint", &long)], "too long"),
    ] {
        let page = site.browser().get(&format!("/login?{}", query(pairs))).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{why}");
        assert_eq!(page.heading(), "This link cannot be followed", "{why}");
    }
    // Empty parameters count as absent.
    let page = site.browser().get("/login?max_age=&prompt=&login_hint=").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn refuses_login_without_requested_acr() {
    let site = Site::start().await;
    let browser = site.browser();
    let link = format!("/login?{}", query(&[("acr_values", "gold <b>"), ("next", "/admin")]));
    let page = log_in(&browser, &link, USER).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text());
    assert_eq!(page.heading(), "This log-in does not meet the requirements");
    assert!(page.text().contains("acr_values “gold <b>”"), "{}", page.text());
    assert!(!page.body.contains("<b>"), "{}", page.body);
    let again = page.link("Log in again").unwrap();
    for (name, value) in [("acr_values", "gold <b>"), ("prompt", "login"), ("next", "/admin")] {
        assert_eq!(values(&again, name), [value], "{name}");
    }
    assert!(!is_signed_in(&browser).await);
}

#[tokio::test]
async fn page_for_fresh_logins_ends_in_403_when_provider_sends_no_auth_time() {
    let particular = SiteOptions { routes: routes![keys], ..SiteOptions::default() };
    let site = Site::start_with(particular).await;
    site.servers.faults().set(Fault::ChangedClaims(r#"{"auth_time":null}"#));
    let browser = site.browser();
    let page = log_in(&browser, "/keys", USER).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text());
    assert_eq!(page.heading(), "This log-in does not meet the requirements");
    assert!(page.text().contains("within the last 1 s"), "{}", page.text());
    let again = page.link("Log in again").unwrap();
    for (name, value) in [("max_age", "1"), ("prompt", "login"), ("next", "/keys")] {
        assert_eq!(values(&again, name), [value], "{name}");
    }
    let page = log_in(&browser, again.as_str(), USER).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text());
    assert!(!is_signed_in(&browser).await);
}

#[tokio::test]
async fn names_organization_that_was_requested_and_the_one_of_the_login() {
    let site = Site::start().await;
    for (requested, claims, shown) in [
        (
            "org_1",
            r#"{"org_id":"org_2","org_name":"other"}"#,
            "“org_1”, and you logged in to “org_2”",
        ),
        (
            "Acme",
            r#"{"org_id":"org_2","org_name":"other"}"#,
            "“Acme”, and you logged in to “other”",
        ),
        ("Acme", r#"{"org_id":"org_2"}"#, "“Acme”, and you logged in to “org_2”"),
        ("<b>&\"", r#"{"org_name":"<script>\u0007"}"#, "“<b>&\"”, and you logged in to “<script>”"),
        ("org_1", "{}", "“org_1”, and you logged in to none"),
    ] {
        site.servers.faults().clear();
        site.servers.faults().set(Fault::ChangedClaims(claims));
        let browser = site.browser();
        let link = format!("/login?{}", query(&[("organization", requested), ("next", "/admin")]));
        let page = log_in(&browser, &link, USER).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text());
        assert_eq!(page.heading(), "This log-in is for another organization");
        assert!(page.text().contains(shown), "{shown}: {}", page.text());
        assert!(!page.body.contains("<script>") && !page.body.contains("<b>&"), "{}", page.body);
        let again = page.link("Log in with another account").unwrap();
        assert_eq!(values(&again, "organization"), [requested]);
        assert_eq!(values(&again, "next"), ["/admin"]);
        assert!(!is_signed_in(&browser).await, "{requested}");
    }
    site.servers.faults().clear();
    site.servers.faults().set(Fault::ChangedClaims(r#"{"org_id":"org_1","org_name":"acme"}"#));
    for requested in ["org_1", "ACME"] {
        let page = log_in(&site.browser(), &format!("/login?organization={requested}"), USER).await;
        assert_eq!(page.url.path(), "/profile", "{}", page.text());
    }
}

#[get("/keys")]
fn keys(user: FreshLogin<'_, 1>) -> String {
    format!("<!doctype html><p>The keys of {}</p>", user.subject().subject)
}

#[tokio::test]
async fn requires_fresh_login_and_returns_to_page() {
    let clock = crate::identity::clock_at_now();
    let site_clock: Arc<dyn Clock> = clock.clone();
    let ports: Option<Change> = Some(Box::new(move |ports| ports.clock = site_clock));
    let particular = SiteOptions { routes: routes![keys], ports, ..SiteOptions::default() };
    let site = Site::start_with(particular).await;
    let (browser, _) = site.signed_in(USER).await;
    assert_eq!(browser.get("/keys").await.status, StatusCode::OK);
    // One second, the leeway for different clocks, and time for the log-in itself.
    clock.advance(TimeDelta::seconds(1 + 60 + 30));
    let page = browser.get("/keys").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    let login = page.location().unwrap();
    assert_eq!((login.path(), login.query()), ("/login", Some("max_age=1&next=%2Fkeys")));
    assert!(is_signed_in(&browser).await, "the session continues");

    // The provider asks for the password despite its own session, once the second has passed.
    clock.advance(TimeDelta::seconds(-91));
    let start = Instant::now();
    let form = loop {
        let page = browser.visit(login.as_str()).await;
        if page.url.origin() != site.url.origin() {
            break page;
        }
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "the provider does not ask for the password"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_ne!(form.url.origin(), site.url.origin(), "{}", form.text());
    let fields = [("Email", USER), ("Password", "portico")];
    let page = browser.submit(&form, "Log In", &fields).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/keys"), "{}", page.text());

    // The same without a session; a JSON request gets 401.
    let login = site.browser().get("/keys").await.location().unwrap();
    assert_eq!(login.query(), Some("max_age=1&next=%2Fkeys"));
    assert_eq!(site.browser().get_json("/keys").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn third_party_initiates_login_to_page_of_this_site_only() {
    let site = Site::start().await;
    let issuer = site.servers.issuer();
    let own = |path: &str| site.url.join(path).unwrap().to_string();
    for (target, path) in [
        (own("/protected?a=b"), "/protected"),
        (own("/callback"), "/"),
        ("https://attacker.example/protected".into(), "/"),
        (format!("http://user@127.0.0.1:{}/protected", site.url.port().unwrap()), "/"),
        ("/protected".into(), "/"),
        (String::new(), "/"),
    ] {
        let parameters = [("iss", issuer), ("target_link_uri", &target), ("login_hint", USER)];
        let browser = site.browser();
        let link = format!("/login?{}", query(&parameters));
        let requested = browser.get(&link).await.location().unwrap();
        assert_eq!(values(&requested, "login_hint"), [USER]);
        let page = log_in(&browser, &link, USER).await;
        assert_eq!((page.status, page.url.path()), (StatusCode::OK, path), "{target}");
        assert_eq!(page.url.origin(), site.url.origin());
        // A logged-in user is redirected directly.
        let location = browser.get(&link).await.location().unwrap();
        assert_eq!((location.origin(), location.path()), (site.url.origin(), path), "{target}");
    }
}

#[tokio::test]
async fn refuses_third_party_login_at_another_issuer() {
    let site = Site::start().await;
    let slash = format!("{}/", site.servers.issuer());
    for issuer in ["https://attacker.example", "", &slash] {
        let page = site.browser().get(&format!("/login?{}", query(&[("iss", issuer)]))).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{issuer}");
    }
    let offline = Site::start().await;
    offline.servers.stop_provider().await;
    let link = format!("/login?{}", query(&[("iss", offline.servers.issuer())]));
    let page = offline.browser().get(&link).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn third_party_initiates_login_by_post() {
    let site = Site::start().await;
    let parameters = [("iss", site.servers.issuer()), ("login_hint", "jo"), ("next", "/admin")];
    let request = site.browser().request(Method::POST, "/login").form(&parameters);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let location = answer.headers()["Location"].to_str().unwrap();
    assert_eq!(location, format!("/login?{}", query(&parameters[..2])));
}
