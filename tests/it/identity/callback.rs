//! What the browser brings back to the site that is no code (RFC 6749, section 4.1.2.1; OpenID
//! Connect Core, section 3.1.2.6; RFC 9207, section 2).

use http::StatusCode;
use portico_tests::{
    http_browser::HttpBrowser,
    page::Page,
    site::{Site, SiteOptions, log_in},
};
use url::Url;

/// Begins a login and has the browser come back with these parameters, and the right `state`.
async fn come_back(site: &Site, person: &HttpBrowser, parameters: &[(&str, &str)]) -> Page {
    let begun = person.get("/login").await;
    let provider = Url::parse(begun.header("location").expect("a way to the provider")).unwrap();
    let state = provider.query_pairs().find(|(name, _)| name == "state").unwrap().1;
    let mut callback = site.url.join("callback").unwrap();
    callback.query_pairs_mut().append_pair("state", &state).extend_pairs(parameters);
    person.get(callback.as_str()).await
}

async fn assert_stranger(person: &HttpBrowser, row: &str) {
    assert_eq!(person.get("/profile").await.status, StatusCode::SEE_OTHER, "{row}");
}

#[tokio::test]
async fn each_authorization_error_has_its_own_message() {
    let (bad, gateway) = (StatusCode::BAD_REQUEST, StatusCode::BAD_GATEWAY);
    let rows = [
        ("access_denied", bad, "You were not let in"),
        ("login_required", bad, "You have to sign in first"),
        ("account_selection_required", bad, "Choose an account first"),
        ("interaction_required", bad, "Something is left for you to do"),
        ("consent_required", bad, "Your consent is needed"),
        ("server_error", gateway, "Signing in failed"),
        ("temporarily_unavailable", gateway, "Signing in is not possible just now"),
        ("never_heard_of", bad, "Signing in failed"),
    ];
    let site = Site::start().await;
    for (error, status, title) in rows {
        let person = site.person();
        let parameters = [
            ("error", error),
            ("error_description", "<b>because</b>"),
            ("iss", site.servers.issuer()),
            ("code", "must not be redeemed"),
        ];
        let page = come_back(&site, &person, &parameters).await;
        assert_eq!(page.status, status, "{error}");
        assert!(page.text().contains(title), "{error}: {}", page.text());
        // The provider's words are shown as text, never as markup.
        assert!(page.text().contains("<b>because</b>"), "{error}: {}", page.text());
        let again = match error {
            "access_denied" => "Log in with another account",
            _ => "Log in again",
        };
        assert!(page.link(again).is_some(), "{error}");
        assert_stranger(&person, error).await;
    }
    assert_eq!(site.servers.request_count("token"), 0);
}

#[tokio::test]
async fn refuses_error_response_of_another_issuer() {
    let site = Site::start().await;
    let with_slash = format!("{}/", site.servers.issuer());
    let rows = [
        ("another issuer", Some("https://evil.example")),
        ("a slash more", Some(with_slash.as_str())),
        ("an empty name", Some("")),
        ("no name, although the metadata promise one", None),
    ];
    for (row, issuer) in rows {
        let person = site.person();
        let mut parameters = vec![("error", "access_denied"), ("error_description", "a lure")];
        parameters.extend(issuer.map(|issuer| ("iss", issuer)));
        let page = come_back(&site, &person, &parameters).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{row}");
        assert!(page.text().contains("This login cannot be trusted"), "{row}: {}", page.text());
        assert!(!page.text().contains("a lure"), "{row}");
        assert_stranger(&person, row).await;
    }
    assert_eq!(site.servers.request_count("token"), 0);
}

#[tokio::test]
async fn accepts_form_post_response() {
    let settings = vec![("OIDC_RESPONSE_MODE", "form_post".to_owned())];
    let site = Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await;
    let person = site.person();
    let form = log_in(&person, "/protected", "user@example.com").await;
    assert!(form.url.query().is_none_or(|query| !query.contains("code=")), "{}", form.url);
    let page = person.submit(&form, "Continue", &[]).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/protected"), "{}", page.text());
    assert_eq!(page.hops[0].url.query(), None, "no code in an address of ours");
}

#[tokio::test]
async fn attempt_cookie_is_same_site_none_for_form_post_over_https() {
    for (mode, same_site) in [("form_post", "SameSite=None"), ("query", "SameSite=Lax")] {
        let settings = vec![
            ("OIDC_RESPONSE_MODE", mode.to_owned()),
            ("PUBLIC_URL", "https://portico.example".to_owned()),
        ];
        let site = Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await;
        let begun = site.person().get("/login").await;
        let attempt = begun.cookie("__Host-portico_login_").expect("a cookie of the attempt");
        assert!(attempt.contains(same_site) && attempt.contains("Secure"), "{mode}: {attempt}");
    }
}
