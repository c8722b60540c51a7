//! Sign-up at providers with and without a page for it, and further parameters of the request.

use std::time::{Duration, Instant};

use portico_tests::{
    http_browser::HttpBrowser,
    page::Page,
    site::{Site, SiteOptions},
};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use crate::identity::script::{Script, Scripted};

/// A provider with these metadata, and a site with these settings that uses it.
async fn site_at(metadata: Value, more: &[(&'static str, &str)]) -> (Site, Scripted) {
    let provider = Script { metadata, names_par: true, ..Script::default() }.start().await;
    let mut settings = vec![("OIDC_ISSUER_URL", provider.issuer())];
    settings.extend(more.iter().map(|(key, value)| (*key, (*value).to_owned())));
    let site = Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await;
    (site, provider)
}

/// The home page, once the provider's metadata are known.
async fn home_with_known_metadata(browser: &HttpBrowser) -> Page {
    assert!(browser.get("/login").await.location().is_some());
    browser.get("/").await
}

fn offers_sign_up(page: &Page) -> bool {
    let count = page.body.matches("Sign Up").count();
    // In two navigations and in the hero.
    assert!(count == 3 || count == 0, "{count}");
    assert_eq!(page.body.matches("/signup").count(), count);
    count > 0
}

/// All values of this name in the query.
fn values(url: &Url, name: &str) -> Vec<String> {
    url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value.into()).collect()
}

#[tokio::test]
async fn offers_sign_up_only_where_provider_has_page_for_it() {
    let create = json!({ "prompt_values_supported": ["login", "create"] });
    let login = json!({ "prompt_values_supported": ["login"] });
    let registration: &[_] = &[("OIDC_SIGN_UP_PARAMETERS", "prompt=registration")];
    for (metadata, settings, expected) in [
        (create, &[][..], true),
        (login.clone(), &[], false),
        (json!({}), &[], false),
        (login, registration, true),
    ] {
        let row = format!("{metadata} {settings:?}");
        let (site, _provider) = site_at(metadata, settings).await;
        let browser = site.browser();
        assert!(offers_sign_up(&browser.get("/").await), "{row}: not yet known");
        let home = home_with_known_metadata(&browser).await;
        assert_eq!(offers_sign_up(&home), expected, "{row}");
        assert_eq!(browser.get("/nothing").await.body.contains("Sign Up"), expected, "{row}");
    }
}

#[tokio::test]
async fn first_page_starts_to_read_metadata_once() {
    let (site, provider) = site_at(json!({}), &[]).await;
    let browser = site.browser();
    let start = Instant::now();
    while offers_sign_up(&browser.get("/").await) {
        assert!(start.elapsed() < Duration::from_secs(10), "the metadata stay unknown");
    }
    assert_eq!(provider.requested("/.well-known/openid-configuration").len(), 1);

    // An outage costs one request, not one for each page, and no page waits for it.
    let metadata = json!({ "issuer": "https://another.example" });
    let (site, provider) = site_at(metadata, &[]).await;
    let browser = site.browser();
    for _ in 0..5 {
        assert!(offers_sign_up(&browser.get("/").await));
    }
    let requested = || provider.requested("/.well-known/openid-configuration").len();
    while requested() == 0 {
        assert!(start.elapsed() < Duration::from_secs(20), "the metadata are not read");
        browser.get("/").await;
    }
    browser.get("/").await;
    assert_eq!(requested(), 1);
}

#[tokio::test]
async fn sends_sign_up_parameters_of_settings_at_sign_up_only() {
    let create = json!({ "prompt_values_supported": ["create"] });
    let settings = [("OIDC_SIGN_UP_PARAMETERS", "prompt=registration&theme=a+b")];
    let (site, _provider) = site_at(create, &settings).await;
    let sign_up = site.browser().get("/signup").await.location().unwrap();
    assert_eq!(values(&sign_up, "prompt"), ["registration"]);
    assert_eq!(values(&sign_up, "theme"), ["a b"]);
    assert_eq!(values(&sign_up, "screen_hint"), ["signup"]);
    let log_in = site.browser().get("/login").await.location().unwrap();
    for name in ["prompt", "theme", "screen_hint"] {
        assert_eq!(values(&log_in, name), [""; 0], "{name}");
    }
    let settings = [("OIDC_SIGN_UP_PARAMETERS", "screen_hint=register")];
    let (site, _provider) = site_at(json!({}), &settings).await;
    let sign_up = site.browser().get("/signup").await.location().unwrap();
    assert_eq!(values(&sign_up, "screen_hint"), ["register"]);
}

#[tokio::test]
async fn login_passes_on_parameters_that_the_settings_name() {
    let link = "/login?kc_idp_hint=google&domain_hint=a+b&hd=example.com&prompt=login";
    for pushed in ["false", "true"] {
        let settings = [("OIDC_LOGIN_PARAMETERS", "kc_idp_hint domain_hint"), ("OIDC_PAR", pushed)];
        let (site, provider) = site_at(json!({}), &settings).await;
        let mut sent = site.browser().get(link).await.location().unwrap();
        if let [request] = &provider.requested("/par")[..] {
            let form = form_urlencoded::parse(request.body.as_bytes());
            assert_eq!(values(&sent, "kc_idp_hint"), [""; 0]);
            sent.query_pairs_mut().clear().extend_pairs(form);
        }
        for (name, expected) in [
            ("kc_idp_hint", &["google"][..]),
            ("domain_hint", &["a b"]),
            ("prompt", &["login"]),
            ("hd", &[]),
        ] {
            assert_eq!(values(&sent, name), expected, "{name}, pushed: {pushed}");
        }
        let twice = site.browser().get("/login?kc_idp_hint=a&kc_idp_hint=b").await;
        assert_eq!(twice.heading(), "This link cannot be followed");
    }
}
