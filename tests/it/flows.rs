//! The flows of users, from end to end over HTTP.

use http::StatusCode;
use portico::guards::{Needs, Permitted};
use portico_tests::{
    http_browser::HttpBrowser,
    page::Page,
    site::{Site, SiteOptions, log_in},
};

const USER: &str = "user@example.com";
const ADMIN: &str = "admin@example.com";

/// Status and path of each request that led to the page.
fn hops(page: &Page) -> Vec<(u16, String)> {
    page.hops.iter().map(|hop| (hop.status.as_u16(), hop.url.path().to_owned())).collect()
}

fn is_signed_in(page: &Page) -> bool {
    let buttons = page.select("button");
    buttons.iter().any(|text| text == "Log Out")
}

#[tokio::test]
async fn guide_works_from_sign_up_to_second_login() {
    let site = Site::start().await;
    let browser = site.browser();

    let home = browser.visit("/").await;
    assert_eq!(home.status, StatusCode::OK);
    assert!(home.link("Protected").is_none() && home.link("Admin").is_none());
    let public = browser.click(&home, "Public").await;
    assert!(public.text().contains("This is a public message."), "{}", public.text());

    let sign_up = browser.click(&public, "Sign Up").await;
    let profile = browser
        .submit(&sign_up, "Sign Up", &[("Email", "ann@example.com"), ("Password", "correct horse")])
        .await;
    assert_eq!(profile.url.path(), "/profile", "{}", profile.text());
    assert!(profile.text().contains("ann@example.com"));
    assert!(is_signed_in(&profile));

    let protected = browser.click(&profile, "Protected").await;
    assert!(protected.text().contains("This is a protected message."), "{}", protected.text());
    let admin = browser.click(&protected, "Admin").await;
    assert_eq!(admin.status, StatusCode::FORBIDDEN);
    assert!(admin.text().contains("Permission denied"), "{}", admin.text());

    let home = browser.submit(&admin, "Log Out", &[]).await;
    assert_eq!((home.url.origin(), home.url.path()), (site.url.origin(), "/"));
    assert!(!is_signed_in(&home));
    assert_eq!(browser.get("/profile").await.status, StatusCode::SEE_OTHER);

    let admin = log_in(&browser, "/admin", ADMIN).await;
    assert_eq!(admin.url.path(), "/admin");
    assert!(admin.text().contains("This is an admin message."), "{}", admin.text());
    let home = browser.submit(&admin, "Log Out", &[]).await;
    assert!(!is_signed_in(&home));

    let profile = log_in(&browser, "/profile", "user@example.com").await;
    assert!(profile.text().contains(USER));
    assert_eq!(profile.attribute("[aria-current=page]", "href").as_deref(), Some("/profile"));
}

#[tokio::test]
async fn test_accounts_log_in_with_one_button() {
    let site = Site::start().await;
    for (email, status) in [(USER, StatusCode::FORBIDDEN), (ADMIN, StatusCode::OK)] {
        let browser = site.browser();
        let form = browser.visit("/login?next=%2Fadmin").await;
        assert_eq!(
            form.select("button[type=submit]").iter().filter(|it| *it == "Log In").count(),
            1
        );
        let admin = browser.submit(&form, &format!("Continue as {email}"), &[]).await;
        assert_eq!((admin.url.path(), admin.status), ("/admin", status), "{}", admin.text());
        assert!(browser.visit("/profile").await.text().contains(email));
    }
}

#[tokio::test]
async fn visitor_returns_from_login_to_requested_page_and_query() {
    let site = Site::start().await;
    let browser = site.browser();
    let to_login = browser.get("/protected?tab=2&q=a%20b").await;
    assert_eq!(to_login.status, StatusCode::SEE_OTHER);
    assert_eq!(
        to_login.header("location"),
        Some("/login?next=%2Fprotected%3Ftab%3D2%26q%3Da%2520b")
    );
    let protected = log_in(&browser, "/protected?tab=2&q=a%20b", USER).await;
    assert_eq!(
        (protected.url.path(), protected.url.query()),
        ("/protected", Some("tab=2&q=a%20b"))
    );
}

#[tokio::test]
async fn request_other_than_navigation_gets_401_and_json() {
    let site = Site::start().await;
    let answer = site.browser().get_json("/profile").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.json()["message"], "Requires authentication");
}

#[tokio::test]
async fn login_of_logged_in_user_redirects_to_next_page() {
    let site = Site::start().await;
    let (browser, _) = site.signed_in(USER).await;
    let login = browser.get("/login?next=%2Fadmin%3Fa%3Db").await;
    assert_eq!(
        (login.status, login.header("location")),
        (StatusCode::SEE_OTHER, Some("/admin?a=b"))
    );
    let signup = browser.get("/signup").await;
    assert_eq!(
        (signup.status, signup.header("location")),
        (StatusCode::SEE_OTHER, Some("/profile"))
    );
}

#[tokio::test]
async fn refuses_next_page_on_another_site() {
    let site = Site::start().await;
    let (browser, _) = site.signed_in(USER).await;
    for target in [
        "%2F%2Fevil.example",
        "%2F%5Cevil.example",
        "%2F%255cevil.example",
        "https%3A%2F%2Fevil.example",
        "%2F%0D%0ALocation%3A%20https%3A%2F%2Fevil.example",
        "http%3A%2F%2F127.0.0.1%40evil.example",
        "%FF",
    ] {
        let login = browser.get(&format!("/login?next={target}")).await;
        assert_eq!(login.header("location"), Some("/profile"), "{target}");
    }
}

#[tokio::test]
async fn another_site_cannot_log_user_out() {
    let site = Site::start().await;
    let (browser, _) = site.signed_in(USER).await;
    // A navigation from another site: browsers send `cross-site`.
    let confirm = get_from(&browser, &site, "cross-site").await;
    assert_eq!(confirm.0, StatusCode::OK);
    assert!(confirm.1.contains("Log Out"));
    assert_eq!(browser.get("/profile").await.status, StatusCode::OK);
    assert_eq!(get_from(&browser, &site, "same-origin").await.0, StatusCode::SEE_OTHER);
}

/// `GET /logout` with the browser's cookies and the given `Sec-Fetch-Site`.
async fn get_from(browser: &HttpBrowser, site: &Site, from: &str) -> (StatusCode, String) {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(portico_adapters::tls::client_config(None).unwrap())
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let answer = client
        .get(site.url.join("/logout").unwrap())
        .header("Cookie", browser.cookies().unwrap_or_default())
        .header("Sec-Fetch-Mode", "navigate")
        .header("Sec-Fetch-Dest", "document")
        .header("Sec-Fetch-Site", from)
        .send()
        .await
        .unwrap();
    (answer.status(), answer.text().await.unwrap())
}

#[tokio::test]
async fn logout_without_session_redirects_to_home_page() {
    let site = Site::start().await;
    let page = site.browser().visit("/logout").await;
    assert_eq!(hops(&page), [(303, "/logout".into()), (200, "/".into())]);
}

#[tokio::test]
async fn logout_without_end_session_endpoint_shows_page() {
    let site = Site::start().await;
    site.servers.faults().set(portico_development::Fault::NoEndSessionEndpoint);
    let (browser, profile) = site.signed_in(USER).await;
    let page = browser.submit(&profile, "Log Out", &[]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("You are logged out of this site."), "{}", page.text());
    assert_eq!(browser.get("/profile").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn clears_tampered_session_cookie() {
    let site = Site::start().await;
    let (browser, _) = site.signed_in(USER).await;
    let cookies = browser.cookies().unwrap();
    let (name, value) = cookies
        .split("; ")
        .filter_map(|cookie| cookie.split_once('='))
        .find(|(name, _)| name.starts_with("portico_session"))
        .unwrap();
    let mut tampered = value.to_owned();
    let flipped = if tampered.ends_with("AA%3D") { "BB%3D" } else { "AA%3D" };
    tampered.replace_range(40..45, flipped);
    for broken in [&*tampered, &value[..20], "", "nonsense"] {
        let browser = site.browser();
        browser.set_cookie(&format!("{name}={broken}; Path=/"));
        let home = browser.get("/").await;
        assert_eq!(home.status, StatusCode::OK);
        assert!(!is_signed_in(&home));
        assert_eq!(browser.cookies(), None, "{broken}");

        browser.set_cookie(&format!("{name}={broken}; Path=/"));
        let profile = browser.get("/profile").await;
        assert_eq!(profile.status, StatusCode::SEE_OTHER);
        assert_eq!(browser.cookies(), None, "{broken}");
    }
}

#[tokio::test]
async fn clears_cookies_that_rocket_cannot_parse() {
    let site = Site::start().await;
    let (browser, _) = site.signed_in(USER).await;
    let cookies = browser.cookies().unwrap();
    // The jar also holds cookies of the development provider.
    let session = cookies.split("; ").find(|cookie| cookie.starts_with("portico_session")).unwrap();
    let suffix = session.split_once('=').unwrap().0.rsplit_once('.').unwrap().1;
    for value in ["%AA", "%FF%FE", "%", "a%C3", "\""] {
        for (name, path) in [("session_0", "/"), ("session_7", "/"), ("login_00", "/login")] {
            let visitor = site.browser();
            let name = format!("portico_{name}.{suffix}");
            visitor.set_cookie(&format!("{name}={value}; Path=/"));
            visitor.get(path).await;
            let left = visitor.cookies().unwrap_or_default();
            assert!(!left.contains(&name), "{name}={value}: {left}");
        }
    }
}

#[tokio::test]
async fn logs_in_user_with_very_large_claims() {
    let site = Site::start().await;
    let browser = site.browser();
    let form = browser.visit("/signup").await;
    let name = "Ann ".repeat(1_000);
    let fields = [
        ("Email", "large@example.com"),
        ("Password", "correct horse"),
        ("Name (optional)", &*name),
    ];
    let profile = browser.submit(&form, "Sign Up", &fields).await;
    assert_eq!(profile.url.path(), "/profile", "{}", profile.text());
    let cookies = browser.cookies().unwrap();
    assert!(cookies.len() > 12_000, "{}", cookies.len());
    assert!(cookies.split("; ").all(|cookie| cookie.len() < 4_096));
    let protected = browser.visit("/protected").await;
    assert_eq!(protected.status, StatusCode::OK);
    // Log-out removes all chunks.
    browser.submit(&protected, "Log Out", &[]).await;
    assert!(browser.cookies().is_none_or(|cookies| !cookies.contains("portico_session")));
}

#[tokio::test]
async fn every_page_has_security_headers() {
    let site = Site::start().await;
    let (browser, _) = site.signed_in(USER).await;
    for (address, no_store) in [("/", true), ("/profile", true), ("/nowhere", true)] {
        let page = browser.get(address).await;
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe-inline"));
        assert!(policy.contains("form-action 'self' https: http:;"), "{policy}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.header("x-frame-options"), Some("DENY"));
        assert_eq!(page.header("cache-control") == Some("no-store"), no_store, "{address}");
    }
}

#[tokio::test]
async fn unknown_path_shows_404_page_in_site_layout() {
    let site = Site::start().await;
    let page = site.browser().get("/nowhere").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert_eq!(page.heading(), "Page not found");
    assert!(page.link("Log In").is_some());
}

struct ReadReports;

impl Needs for ReadReports {
    const PERMISSION: &'static str = "read:admin-messages";
}

#[rocket::get("/reports")]
fn reports(user: Permitted<'_, ReadReports>) -> String {
    user.subject().subject.clone()
}

#[tokio::test]
async fn page_requires_permission() {
    let routes = rocket::routes![reports];
    let site = Site::start_with(SiteOptions { routes, ..SiteOptions::default() }).await;
    let anonymous = site.browser().get("/reports").await;
    assert_eq!(anonymous.header("location"), Some("/login?next=%2Freports"));

    let (user, _) = site.signed_in(USER).await;
    let denied = user.get("/reports").await;
    assert_eq!(
        (denied.status, denied.heading().as_str()),
        (StatusCode::FORBIDDEN, "Permission denied")
    );
    assert!(denied.text().contains("read:admin-messages"), "{}", denied.text());
    assert!(denied.text().contains("Reference"), "{}", denied.text());

    let (admin, _) = site.signed_in(ADMIN).await;
    assert_eq!(admin.get("/reports").await.body, "dev|admin");
}

#[tokio::test]
async fn counts_logins() {
    let site = Site::start().await;
    for _ in 0..2 {
        site.signed_in(USER).await;
    }
    let users = site.ports.users.list(10).await.unwrap();
    assert_eq!(users.len(), 1);
    assert_eq!((users[0].subject.subject.as_str(), users[0].logins), ("dev|user", 2));
}

#[tokio::test]
async fn redirect_uri_and_cookies_follow_public_url() {
    let settings = vec![("PUBLIC_URL", "https://portico.test".to_owned())];
    let site = Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await;
    let login = site.browser().get("/login").await;
    let to = login.location().unwrap();
    let redirect_uri = to.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1;
    assert_eq!(redirect_uri, "https://portico.test/callback");
    let cookie = login.cookie("__Host-portico_login_").unwrap();
    for attribute in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/", "Max-Age=3600"] {
        assert!(cookie.split("; ").any(|part| part == attribute), "{attribute}: {cookie}");
    }
    assert!(!cookie.contains("Domain"));
    // Every cookie has the prefix.
    assert_eq!(login.cookie("portico"), None);
    assert!(login.header("strict-transport-security").is_some());
}

/// OpenID Connect RP-Initiated Logout, section 3. The parameters have no effect, because the session
/// has ended before.
#[tokio::test]
async fn accepts_any_query_on_return_from_logout() {
    let site = Site::start().await;
    let (signed_in, _) = site.signed_in("user@example.com").await;
    for query in [
        "",
        "?state=another",
        "?state=",
        "?state=a&state=b",
        "?state=%FF",
        "?error=server_error&error_description=%3Cb%3Ebecause",
    ] {
        let anonymous = site.browser().visit(&format!("/{query}")).await;
        assert_eq!(anonymous.status, StatusCode::OK, "{query}");
        assert!(anonymous.link("Log In").is_some(), "{query}");
        assert!(!anonymous.body.contains("because"), "{query}");
        signed_in.get(&format!("/{query}")).await;
        assert_eq!(signed_in.get("/profile").await.status, StatusCode::OK, "{query}");
    }
}
