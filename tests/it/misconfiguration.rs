//! Faults that do not pass by themselves: the page tells the visitor whom to ask, the log tells the
//! operator which setting to correct.

use std::sync::Arc;

use chrono::TimeDelta;
use http::StatusCode;
use portico_adapters::system::SystemClock;
use portico_contracts::fixtures;
use portico_development::Fault;
use portico_domain::{
    model::{Claims, RefreshToken, RefreshedTokens},
    ports::{Clock, MockIdentityProvider, RefreshError},
};
use portico_tests::{
    http_browser::HttpBrowser,
    log_capture::LogCapture,
    page::Page,
    site::{Change, Site, SiteOptions, log_in},
    stub_server::{Response, StubServer},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::identity::script::{Script, Scripted};

const NOT_SET_UP: &str = "Log-in is not set up correctly";
const USER: &str = "user@example.com";

/// A site of this provider, with more settings.
async fn site_of(issuer: String, more: &[(&'static str, &str)]) -> Site {
    let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
    let settings = more.chain([("OIDC_ISSUER_URL", issuer)]).collect();
    Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await
}

/// The reference on the page, which its log line begins with.
fn reference(page: &Page) -> String {
    page.select("p.small code").remove(0)
}

/// An error that only the operators can end, with the reference of its log line, which is returned.
#[track_caller]
fn assert_for_operators(page: &Page, heading: &str, log: &LogCapture) -> String {
    let text = page.text();
    let found = (page.status, page.heading());
    assert_eq!(found, (StatusCode::INTERNAL_SERVER_ERROR, heading.to_owned()), "{text}");
    assert_eq!(page.header("retry-after"), None);
    assert!(text.contains("Contact the operators"), "{text}");
    for word in ["moment", "OIDC_", "AUTH0_", "SESSION_STORE", "the provider's words"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    for label in ["Log in again", "Try again", "Log In again"] {
        assert_eq!(page.link(label), None, "{text}");
    }
    let line = log.line_with(&format!("{}: ", reference(page)));
    assert!(line.starts_with("ERROR "), "{line}");
    line
}

#[rstest]
#[case::another_issuer(
    json!({ "issuer": "https://login.example" }),
    &["`https://login.example`", "check OIDC_ISSUER_URL"]
)]
#[case::all_tenants_of_entra_id(
    json!({ "issuer": "https://login.example/{tenantid}/v2.0" }),
    &["{tenantid}", "name one tenant", "check OIDC_ISSUER_URL"]
)]
#[case::no_openid_provider(json!({ "jwks_uri": null }), &["no jwks_uri", "check OIDC_ISSUER_URL"])]
#[tokio::test]
async fn metadata_of_another_provider_are_no_outage(
    #[case] metadata: Value,
    #[case] words: &[&str],
) {
    let scripted = Script { metadata, ..Script::default() }.start().await;
    let site = site_of(scripted.issuer(), &[]).await;
    for address in ["/login", "/signup"] {
        let log = LogCapture::start();
        let line = assert_for_operators(&site.browser().get(address).await, NOT_SET_UP, &log);
        for word in words {
            assert!(line.contains(word), "{word}: {line}");
        }
    }
}

#[rstest]
#[case::not_found(Response::json(404, json!({ "error": "Realm does not exist" })), &["status 404", "Realm does not exist"])]
#[case::redirect(Response::redirect(301, "https://login.example/"), &["status 301", "Location `https://login.example/`"])]
#[tokio::test]
async fn address_without_metadata_is_no_outage(#[case] answer: Response, #[case] words: &[&str]) {
    let server = StubServer::start(move |_| answer.clone()).await;
    let site = site_of(server.url().origin().ascii_serialization(), &[]).await;
    let log = LogCapture::start();
    let line = assert_for_operators(&site.browser().get("/login").await, NOT_SET_UP, &log);
    for word in words.iter().chain(&["check OIDC_ISSUER_URL"]) {
        assert!(line.contains(word), "{word}: {line}");
    }
}

#[tokio::test]
async fn failing_discovery_stays_an_outage() {
    for answer in
        [Response::html(500, "oops"), Response::html(200, "maintenance"), Response::json(200, "{}")]
    {
        let server = StubServer::start(move |_| answer.clone()).await;
        let site = site_of(server.url().origin().ascii_serialization(), &[]).await;
        let page = site.browser().get("/login").await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{}", page.text());
        assert!(page.header("retry-after").is_some());
    }
}

/// Opens the callback of a log-in of this browser with these parameters.
async fn call_back(site: &Site, browser: &HttpBrowser, parameters: &[(&str, &str)]) -> Page {
    let provider = browser.get("/login").await.location().unwrap();
    let state = provider.query_pairs().find(|(name, _)| name == "state").unwrap().1;
    let mut callback = site.url.join("callback").unwrap();
    callback.query_pairs_mut().append_pair("state", &state).extend_pairs(parameters);
    browser.get(callback.as_str()).await
}

/// A provider that answers the token endpoint and pushed requests with this error.
async fn refusing(status: u16, error: &str) -> Scripted {
    let body = json!({ "error": error, "error_description": "the provider's words" });
    let pushed = Response::json(status, &body);
    let instead_of_token = Some(Response::json(status, &body));
    Script { names_par: true, instead_of_token, pushed, ..Script::default() }.start().await
}

#[rstest]
#[case::client(401, "invalid_client", &["OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_CLIENT_AUTH_METHOD"])]
#[case::grant(400, "unauthorized_client", &["OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_CLIENT_AUTH_METHOD"])]
#[case::scope(400, "invalid_scope", &["OIDC_SCOPES"])]
#[tokio::test]
async fn refused_client_or_scope_names_the_settings(
    #[case] status: u16,
    #[case] error: &str,
    #[case] named: &[&str],
) {
    let scripted = refusing(status, error).await;
    let words: Vec<_> = named.iter().chain(&[error, "the provider's words"]).copied().collect();
    let assert_names = |page: &Page, log: &LogCapture| {
        let line = assert_for_operators(page, NOT_SET_UP, log);
        for word in &words {
            assert!(line.contains(word), "{word}: {line}");
        }
    };
    let site = site_of(scripted.issuer(), &[]).await;
    let log = LogCapture::start();
    let page = call_back(&site, &site.browser(), &[("code", "a-code")]).await;
    assert_names(&page, &log);
    assert!(log.lines_with("a-code").is_empty(), "{:?}", log.lines());
    drop(log);

    let log = LogCapture::start();
    let answer = [("error", error), ("error_description", "the provider's words")];
    assert_names(&call_back(&site, &site.browser(), &answer).await, &log);
    drop(log);

    let site = site_of(scripted.issuer(), &[("OIDC_PAR", "true")]).await;
    let log = LogCapture::start();
    assert_names(&site.browser().get("/login").await, &log);
}

#[tokio::test]
async fn refused_pushed_request_is_no_outage_unless_it_passes() {
    for (status, error, passes) in [
        (400, "invalid_request", false),
        (400, "temporarily_unavailable", true),
        (500, "server_error", true),
        (429, "too_many_requests", true),
    ] {
        let scripted = refusing(status, error).await;
        let site = site_of(scripted.issuer(), &[("OIDC_PAR", "true")]).await;
        let log = LogCapture::start();
        let page = site.browser().get("/login").await;
        match passes {
            true => assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{error}"),
            false => {
                assert_for_operators(&page, NOT_SET_UP, &log);
            }
        }
        assert!(log.line_with(error).contains("the provider's words"));
    }
}

#[tokio::test]
async fn pushed_requests_without_endpoint_name_the_setting() {
    let scripted = Script::default().start().await;
    let site = site_of(scripted.issuer(), &[("OIDC_PAR", "true")]).await;
    let log = LogCapture::start();
    let line = assert_for_operators(&site.browser().get("/login").await, NOT_SET_UP, &log);
    assert!(line.contains("OIDC_PAR"), "{line}");
}

#[tokio::test]
async fn session_too_large_for_cookies_names_the_session_store() {
    let site = Site::start().await;
    site.servers.faults().set(Fault::LongClaim(60_000));
    let log = LogCapture::start();
    let page = log_in(&site.browser(), "/login", USER).await;
    let line = assert_for_operators(&page, "Your account does not fit", &log);
    assert!(line.contains("SESSION_STORE=database"), "{line}");
    assert!(line.contains("bytes"), "{line}");
}

#[tokio::test]
async fn invalid_id_token_says_why_in_the_log() {
    let site = Site::start().await;
    for (fault, words) in [
        (Fault::Hs256, "signed with HS256, expected RS256"),
        (Fault::IssuedInTheFuture, "s in the future: compare the clocks"),
        (Fault::IdTokenText("a.b.c.d.e"), "encrypted (JWE)"),
    ] {
        site.servers.faults().set(fault);
        let log = LogCapture::start();
        let page = log_in(&site.browser(), "/login", USER).await;
        assert_eq!(page.status, StatusCode::BAD_GATEWAY, "{fault:?}");
        assert!(!page.text().contains("moment"), "{fault:?}: {}", page.text());
        let line = log.line_with(&format!("{}: ", reference(&page)));
        assert!(line.contains(words), "{line}");
        site.servers.faults().clear();
    }
}

#[tokio::test]
async fn description_of_authorization_error_reaches_the_log() {
    let site = Site::start().await;
    let log = LogCapture::start();
    let description = format!("AADSTS50105:\n{}", "x".repeat(500));
    let answer = [
        ("error", "access_denied"),
        ("error_description", description.as_str()),
        ("iss", site.servers.issuer()),
    ];
    let page = call_back(&site, &site.browser(), &answer).await;
    let line = log.line_with(&format!("{}: ", reference(&page)));
    assert!(line.contains(&format!("AADSTS50105:{}\"", "x".repeat(400 - 12))), "{line}");
    assert!(!line.chars().any(char::is_control), "{line}");
}

/// A user whose access token is about to expire, and a provider that gives this answer to a refresh.
fn expiring(answer: Result<RefreshedTokens, RefreshError>) -> Change {
    Box::new(move |ports| {
        let mut identity = MockIdentityProvider::new();
        let callback = |state: &str| format!("/callback?code=a-code&state={state}");
        identity
            .expect_authorization_url()
            .returning(move |attempt, _| Ok(callback(attempt.state.expose())));
        identity.expect_redeem().returning(|_, _| {
            let mut identity = fixtures::identity();
            identity.tokens.access_token_issued_at = SystemClock.now() - TimeDelta::hours(1);
            identity.tokens.access_token_expires_at =
                Some(SystemClock.now() + TimeDelta::seconds(10));
            identity.tokens.refresh_token = Some(RefreshToken::new("refresh-token"));
            Ok(identity)
        });
        identity.expect_offers_sign_up().return_const(true);
        identity.expect_refresh().returning(move |_| answer.clone());
        ports.identity = Arc::new(identity);
    })
}

#[rstest]
#[case::client(
    Err(RefreshError::Misconfigured("invalid_client; check OIDC_CLIENT_ID".into())),
    "Your access cannot be renewed",
    "check OIDC_CLIENT_ID"
)]
#[case::too_large(Ok(with_large_claims()), "Your account does not fit", "SESSION_STORE=database")]
#[tokio::test]
async fn renewal_that_cannot_succeed_is_no_outage(
    #[case] answer: Result<RefreshedTokens, RefreshError>,
    #[case] heading: &str,
    #[case] words: &str,
) {
    let ports = Some(expiring(answer));
    let site = Site::start_with(SiteOptions { ports, ..SiteOptions::default() }).await;
    let browser = site.browser();
    assert_eq!(browser.visit("/login").await.status, StatusCode::OK);
    let log = LogCapture::start();
    let page = browser.get("/protected").await;
    assert!(page.text().contains("You are still signed in"), "{}", page.text());
    let line = assert_for_operators(&page, heading, &log);
    assert!(line.contains(words), "{line}");
    assert_eq!(browser.get("/profile").await.status, StatusCode::OK);
}

fn with_large_claims() -> RefreshedTokens {
    let identity = fixtures::identity();
    let mut claims = identity.claims.to_map();
    claims.insert("groups".into(), "a-group ".repeat(8_000).into());
    let claims = Some(Claims::new(&claims));
    RefreshedTokens { tokens: identity.tokens, claims, permissions: None }
}
