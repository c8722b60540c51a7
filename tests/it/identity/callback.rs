//! Error responses (RFC 6749, section 4.1.2.1; OpenID Connect Core, section 3.1.2.6; RFC 9207, section
//! 2) and form posts at the callback.

use http::StatusCode;
use portico_tests::{
    http_browser::HttpBrowser,
    page::Page,
    site::{Site, SiteOptions, log_in},
};
use url::Url;

/// Begins a login and opens the callback with these parameters and the right `state`.
async fn respond(site: &Site, browser: &HttpBrowser, parameters: &[(&str, &str)]) -> Page {
    let redirect = browser.get("/login?next=%2Fprotected%3Ftab%3D2").await;
    let provider =
        Url::parse(redirect.header("location").expect("a redirect to the provider")).unwrap();
    let state = provider.query_pairs().find(|(name, _)| name == "state").unwrap().1;
    let mut callback = site.url.join("callback").unwrap();
    callback.query_pairs_mut().append_pair("state", &state).extend_pairs(parameters);
    browser.get(callback.as_str()).await
}

async fn assert_logged_out(browser: &HttpBrowser, row: &str) {
    assert_eq!(browser.get("/profile").await.status, StatusCode::SEE_OTHER, "{row}");
}

#[tokio::test]
async fn each_authorization_error_has_its_own_message() {
    let (bad, gateway) = (StatusCode::BAD_REQUEST, StatusCode::BAD_GATEWAY);
    let rows = [
        ("access_denied", bad, "You were not let in"),
        ("login_required", bad, "You have to log in first"),
        ("account_selection_required", bad, "Choose an account first"),
        ("interaction_required", bad, "Something is left for you to do"),
        ("consent_required", bad, "Your consent is needed"),
        ("server_error", gateway, "Log-in failed"),
        ("temporarily_unavailable", gateway, "Log-in is not possible just now"),
        ("never_heard_of", bad, "Log-in failed"),
    ];
    let site = Site::start().await;
    for (error, status, title) in rows {
        let browser = site.browser();
        let parameters = [
            ("error", error),
            ("error_description", "<b>because</b>"),
            ("iss", site.servers.issuer()),
            ("code", "must not be redeemed"),
        ];
        let page = respond(&site, &browser, &parameters).await;
        assert_eq!(page.status, status, "{error}");
        assert!(page.text().contains(title), "{error}: {}", page.text());
        // The provider's description is escaped.
        assert!(page.text().contains("<b>because</b>"), "{error}: {}", page.text());
        let again = match error {
            "access_denied" => "Log in with another account",
            _ => "Log in again",
        };
        let again = page.link(again).expect(error);
        assert_eq!(again.path(), "/login", "{error}");
        if error == "access_denied" {
            // The development provider lists other values of prompt than select_account.
            let prompt = ("prompt".into(), "login".into());
            assert!(again.query_pairs().any(|pair| pair == prompt), "{again}");
        }
        let next = ("next".into(), "/protected?tab=2".into());
        assert!(again.query_pairs().any(|pair| pair == next), "{error}: {again}");
        assert_logged_out(&browser, error).await;
    }
    assert_eq!(site.servers.request_count("token"), 0);
}

#[tokio::test]
async fn refuses_error_response_of_another_issuer() {
    let site = Site::start().await;
    let with_slash = format!("{}/", site.servers.issuer());
    let rows = [
        ("another issuer", "https://evil.example"),
        ("an additional slash", with_slash.as_str()),
        ("an empty issuer", ""),
    ];
    for (row, issuer) in rows {
        let browser = site.browser();
        let parameters =
            [("error", "access_denied"), ("error_description", "untrusted text"), ("iss", issuer)];
        let page = respond(&site, &browser, &parameters).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{row}");
        assert!(page.text().contains("This log-in cannot be trusted"), "{row}: {}", page.text());
        assert!(!page.text().contains("untrusted text"), "{row}");
        assert_logged_out(&browser, row).await;
    }
    assert_eq!(site.servers.request_count("token"), 0);
}

/// The development provider announces `iss` (RFC 9207, section 3), and some providers forget it in
/// error responses.
#[tokio::test]
async fn error_response_without_announced_issuer_says_only_that_login_was_refused() {
    let site = Site::start().await;
    for error in ["access_denied", "server_error", "invalid_scope", "untrusted_error"] {
        let browser = site.browser();
        let parameters = [("error", error), ("error_description", "untrusted text")];
        let page = respond(&site, &browser, &parameters).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{error}");
        assert_eq!(page.heading(), "You were not let in", "{error}");
        for untrusted in ["untrusted", error] {
            assert!(!page.text().contains(untrusted), "{error}: {}", page.text());
        }
        let again = page.link("Log in with another account").expect(error);
        let next = ("next".into(), "/protected?tab=2".into());
        assert!(again.query_pairs().any(|pair| pair == next), "{error}: {again}");
        assert_logged_out(&browser, error).await;

        // A second callback with the same state is refused: the attempt is used.
        let repeated = browser.get(page.url.as_str()).await;
        assert_eq!(repeated.heading(), "This log-in cannot be completed", "{error}");
    }
    assert_eq!(site.servers.request_count("token"), 0);
}

#[tokio::test]
async fn accepts_form_post_response() {
    let settings = vec![("OIDC_RESPONSE_MODE", "form_post".to_owned())];
    let site = Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await;
    let browser = site.browser();
    let form = log_in(&browser, "/protected", "user@example.com").await;
    assert!(form.url.query().is_none_or(|query| !query.contains("code=")), "{}", form.url);
    let page = browser.submit(&form, "Continue", &[]).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/protected"), "{}", page.text());
    assert_eq!(page.hops[0].url.query(), None, "no code in a URL of the site");
}

#[tokio::test]
async fn attempt_cookie_is_same_site_none_for_form_post_over_https() {
    for (mode, same_site) in [("form_post", "SameSite=None"), ("query", "SameSite=Lax")] {
        let settings = vec![
            ("OIDC_RESPONSE_MODE", mode.to_owned()),
            ("PUBLIC_URL", "https://portico.example".to_owned()),
        ];
        let site = Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await;
        let redirect = site.browser().get("/login").await;
        let attempt = redirect.cookie("__Host-portico_login_").expect("a cookie of the attempt");
        assert!(attempt.contains(same_site) && attempt.contains("Secure"), "{mode}: {attempt}");
    }
}
