//! The rules for who may log in.

use std::sync::Arc;

use chrono::TimeDelta;
use http::StatusCode;
use portico_development::Fault;
use portico_domain::ports::Clock;
use portico_tests::site::{Change, Site, SiteOptions, log_in};

const USER: &str = "user@example.com";

async fn site(key: &'static str, value: &str) -> Site {
    let settings = vec![(key, value.to_owned())];
    Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await
}

#[tokio::test]
async fn refused_user_sees_reason_and_link_to_another_account() {
    for (key, value, reason) in [
        ("ALLOWED_EMAIL_DOMAINS", "sub.example.com", "email addresses of certain domains"),
        ("REQUIRED_CLAIMS", "groups=staff", "not in the group or role"),
    ] {
        let site = site(key, value).await;
        let browser = site.browser();
        let page = log_in(&browser, "/protected", USER).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{key}");
        assert_eq!(page.heading(), "You may not log in to this site", "{key}");
        assert!(page.text().contains(reason), "{key}: {}", page.text());
        assert!(!page.body.contains(USER), "{key}");
        let link = page.link("Log in with another account").unwrap();
        // The development provider does not list select_account.
        assert_eq!(link.query(), Some("prompt=login&next=%2Fprotected"), "{key}");
        assert_eq!(site.ports.users.list(10).await, Ok(Vec::new()), "{key}");
        let profile = browser.get("/profile").await;
        assert_eq!(profile.header("location"), Some("/login?next=%2Fprofile"), "{key}");
    }
}

#[tokio::test]
async fn lets_in_user_who_meets_the_rules() {
    for (key, value) in [
        ("ALLOWED_EMAIL_DOMAINS", "other.example, EXAMPLE.com"),
        ("REQUIRED_CLAIMS", "email=user@example.com"),
        ("REQUIRE_VERIFIED_EMAIL", "true"),
    ] {
        site(key, value).await.signed_in(USER).await;
    }
}

#[tokio::test]
async fn refresh_ends_session_of_user_who_no_longer_meets_the_rules() {
    let clock = crate::identity::clock_at_now();
    let site_clock: Arc<dyn Clock> = clock.clone();
    let ports: Option<Change> = Some(Box::new(move |ports| ports.clock = site_clock));
    let settings = vec![
        ("REQUIRED_CLAIMS", "groups=staff".to_owned()),
        ("OIDC_SCOPES", "openid profile email offline_access".to_owned()),
    ];
    let site = Site::start_with(SiteOptions { settings, ports, ..SiteOptions::default() }).await;
    site.servers.faults().set(Fault::ChangedClaims(r#"{"groups":["staff"]}"#));
    site.servers.faults().set(Fault::ShortAccessTokens(30));
    let (browser, _) = site.signed_in(USER).await;
    assert_eq!(browser.get("/protected").await.status, StatusCode::OK);

    site.servers.faults().clear();
    clock.advance(TimeDelta::seconds(25));
    assert_eq!(browser.get("/profile").await.status, StatusCode::OK, "not refreshed yet");
    let page = browser.get("/protected").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text());
    assert_eq!(page.heading(), "Your session has ended");
    assert!(page.text().contains("not in the group or role"), "{}", page.text());
    assert!(page.text().contains("Log In") && !page.text().contains("Log Out"), "{}", page.text());
    let link = page.link("Log in with another account").unwrap();
    assert_eq!(link.query(), Some("prompt=login&next=%2Fprotected"));
    let profile = browser.get("/profile").await;
    assert_eq!(profile.header("location"), Some("/login?next=%2Fprofile"));
}
