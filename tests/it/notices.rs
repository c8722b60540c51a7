//! What a page says once about what was done before.

use portico_tests::{page::Page, site::Site};
use reqwest::Method;

const USER: &str = "user@example.com";
const LOGGED_OUT: &str = "You are logged out.";

fn notices(page: &Page) -> Vec<String> {
    page.select("main > [role=status]")
}

#[tokio::test]
async fn logout_ends_at_clean_address_with_one_notice() {
    let site = Site::start().await;
    let (user, profile) = site.signed_in(USER).await;
    let home = user.submit(&profile, "Log Out", &[]).await;
    assert!(
        home.hops.iter().any(|hop| hop.url.query().is_some_and(|it| it.starts_with("state="))),
        "the provider returns the state: {:?}",
        home.hops
    );
    assert_eq!(home.url, site.url);
    assert_eq!(notices(&home), [LOGGED_OUT]);
    assert_eq!(home.header("cache-control"), Some("no-store"));
    let cookie = home.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    assert!(notices(&user.visit("/").await).is_empty());
}

#[tokio::test]
async fn state_alone_shows_no_notice() {
    let site = Site::start().await;
    let home = site.browser().visit("/?state=x").await;
    assert_eq!((&home.url, notices(&home)), (&site.url, vec![]));
    let (user, _) = site.signed_in(USER).await;
    assert!(notices(&user.visit("/?state=x").await).is_empty());
}

#[tokio::test]
async fn head_and_prefetch_do_not_use_up_a_notice() {
    let site = Site::start().await;
    let (user, profile) = site.signed_in(USER).await;
    // The provider's log-out is not followed.
    let origin = profile.url.origin().ascii_serialization();
    user.post("/logout", &[], &[("Origin", &origin)]).await;
    let head = user.request(Method::HEAD, "/public").send().await.unwrap();
    assert!(!head.headers().contains_key("set-cookie"));
    let prefetched = user.get_with("/public", &[("Sec-Purpose", "prefetch")]).await;
    assert!(notices(&prefetched).is_empty());
    assert_eq!(notices(&user.get("/public").await), [LOGGED_OUT]);
}

#[tokio::test]
async fn logged_in_user_sees_no_logout_notice() {
    let site = Site::start().await;
    let (user, profile) = site.signed_in(USER).await;
    let origin = profile.url.origin().ascii_serialization();
    user.post("/logout", &[], &[("Origin", &origin)]).await;
    let profile = portico_tests::site::log_in(&user, "/login?prompt=login", USER).await;
    assert_eq!((profile.url.path(), notices(&profile)), ("/profile", vec![]));
}
