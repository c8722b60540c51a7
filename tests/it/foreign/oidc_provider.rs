//! Log-in, refresh and log-out with a provider whose access tokens are for an API.

use std::time::{Duration, Instant};

use http::StatusCode;
use portico_tests::{
    foreign::oidc_provider::{CLIENT_SECRET, OidcProvider},
    free_port::free_port,
    site::{Site, SiteOptions},
};
use reqwest::Method;
use url::Url;

use super::api::Api;

const TIMEOUT: Duration = Duration::from_secs(60);

async fn start(userinfo: &str) -> (OidcProvider, Site, Api) {
    let port = free_port();
    let url = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
    let provider = OidcProvider::start(&url).await;
    let introspection = format!("{}/token/introspection", provider.issuer);
    let api = Api::new(introspection, ("portico", CLIENT_SECRET), |_| false);
    let options = SiteOptions {
        port: Some(port),
        settings: vec![
            ("OIDC_ISSUER_URL", provider.issuer.clone()),
            ("OIDC_CLIENT_ID", "portico".into()),
            ("OIDC_CLIENT_SECRET", CLIENT_SECRET.into()),
            ("OIDC_AUDIENCE", String::new()),
            ("OIDC_USERINFO", userinfo.into()),
            ("API_SERVER_URL", url.into()),
        ],
        routes: api.routes(),
        ..SiteOptions::default()
    };
    (provider, Site::start_with(options).await, api)
}

#[tokio::test]
#[cfg_attr(not(oidc_provider), ignore = "oidc-provider is missing: run tests/foreign/install")]
async fn logs_in_where_userinfo_refuses_the_access_token() {
    for userinfo in ["auto", "always"] {
        let (provider, site, api) = start(userinfo).await;
        let browser = site.browser();
        let profile = browser.visit("/login").await;
        assert_eq!(profile.url.path(), "/profile", "{}", profile.text());
        assert!(profile.text().contains("Uma User"), "{}", profile.text());
        let page = browser.visit("/protected").await;
        assert!(page.text().contains("This is a protected message."), "{}", page.text());

        // Without this refusal the test would test nothing.
        let token = api.tokens().into_iter().next().unwrap();
        let request = browser.request(Method::GET, &format!("{}/me", provider.issuer));
        let response = request.bearer_auth(token).send().await.unwrap();
        assert!(response.status().is_client_error(), "{}", response.status());
    }
}

#[tokio::test]
#[cfg_attr(not(oidc_provider), ignore = "oidc-provider is missing: run tests/foreign/install")]
async fn renews_access_token_where_userinfo_refuses_it() {
    let (_provider, site, api) = start("always").await;
    let browser = site.browser();
    browser.visit("/login").await;
    let start = Instant::now();
    while api.tokens().len() < 3 {
        let page = browser.get("/protected").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        assert!(start.elapsed() < TIMEOUT, "{} access tokens", api.tokens().len());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
#[cfg_attr(not(oidc_provider), ignore = "oidc-provider is missing: run tests/foreign/install")]
async fn log_out_ends_session_at_provider_and_returns() {
    let (provider, site, _api) = start("auto").await;
    let browser = site.browser();
    let profile = browser.visit("/login").await;
    let question = browser.submit(&profile, "Log Out", &[]).await;
    assert!(question.url.as_str().starts_with(&provider.issuer), "{}", question.url);
    let home = browser.submit(&question, "Yes, log out", &[]).await;
    assert_eq!((home.url.origin(), home.url.path()), (site.url.origin(), "/"), "{}", home.text());

    // With its session, the provider would answer without an interaction.
    let profile = browser.visit("/login").await;
    let interaction = format!("{}/interaction/", provider.issuer);
    assert!(
        profile.hops.iter().any(|hop| hop.url.as_str().starts_with(&interaction)),
        "{:?}",
        profile.hops
    );
}
