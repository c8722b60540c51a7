//! The rules for who may log in.

use http::StatusCode;
use portico_tests::site::{Site, SiteOptions, log_in};

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
