//! Faults of the provider, as users see them. Each case changes one thing about a successful log-in.
//!
//! The module `identity` tests the reason that the log gets, `provider_logout` tests logout tokens.

use std::time::{Duration, Instant};

use http::StatusCode;
use portico_adapters::{
    http::{HttpClient, Limits},
    tls,
};
use portico_development::Fault;
use portico_tests::{
    http_browser::HttpBrowser,
    page::Page,
    site::{Site, SiteOptions, log_in},
};
use url::Url;

const USER: &str = "user@example.com";

/// Number of requests to discovery, key set, token endpoint and userinfo.
type RequestCounts = [usize; 4];

/// The response was refused before the code was sent.
const NO_REQUESTS: RequestCounts = [0, 0, 0, 0];
/// Only the token endpoint: refused tokens are not used.
const TOKEN_ONLY: RequestCounts = [0, 0, 1, 0];
/// No key matched, so the key set was fetched once.
const KEYS_REFETCHED: RequestCounts = [0, 1, 1, 0];
const ALL: RequestCounts = [0, 0, 1, 1];

fn requested(site: &Site) -> RequestCounts {
    ["discovery", "jwks", "token", "userinfo"].map(|endpoint| site.servers.request_count(endpoint))
}

fn has_session(browser: &HttpBrowser) -> bool {
    browser
        .cookies()
        .unwrap_or_default()
        .split("; ")
        .any(|cookie| cookie.starts_with("portico_session"))
}

async fn assert_logged_out(browser: &HttpBrowser, row: &str) {
    assert!(!has_session(browser), "{row}: {:?}", browser.cookies());
    assert_eq!(browser.get("/profile").await.status, StatusCode::SEE_OTHER, "{row}");
}

fn assert_says(page: &Page, status: u16, heading: &str, row: &str) {
    let found = (page.status.as_u16(), page.heading());
    assert_eq!(found, (status, heading.to_owned()), "{row}: {}", page.text());
}

/// A site that requests userinfo at each log-in.
async fn site_with_userinfo() -> Site {
    let settings = vec![("OIDC_USERINFO", "always".to_owned())];
    Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await
}

/// Logs in with the fault, after another log-in has filled the caches, and then without it.
async fn assert_refused(
    row: &str,
    fault: Fault,
    status: u16,
    heading: &str,
    expected: RequestCounts,
) {
    let site = site_with_userinfo().await;
    site.signed_in(USER).await;
    let before = requested(&site);
    site.servers.faults().set(fault);
    let browser = site.browser();
    let first = browser.visit("/login").await;
    // Some faults take effect before the provider asks for a password.
    let page = if first.url.origin() == site.url.origin() {
        first
    } else {
        browser.submit(&first, "Log In", &[("Email", USER), ("Password", "portico")]).await
    };
    assert_says(&page, status, heading, row);
    assert_logged_out(&browser, row).await;
    let after = requested(&site);
    assert_eq!(std::array::from_fn(|i| after[i] - before[i]), expected, "{row}");

    site.servers.faults().clear();
    let mut page = browser.visit("/login").await;
    if page.url.path() != "/profile" {
        page = browser.submit(&page, "Log In", &[("Email", USER), ("Password", "portico")]).await;
    }
    assert_eq!(page.url.path(), "/profile", "{row}: recovers");
    assert!(has_session(&browser), "{row}: recovers");
}

const UNTRUSTED: &str = "This log-in cannot be trusted";
const NOT_COMPLETED: &str = "This log-in cannot be completed";
const USED: &str = "This log-in was used or has expired";
const FAILED: &str = "Log-in failed";

#[tokio::test]
async fn refuses_altered_authorization_response() {
    let answer = Fault::ChangedResponse;
    for (row, change, status, heading, requested) in [
        ("another state", r#"{"state":"x"}"#, 400, NOT_COMPLETED, NO_REQUESTS),
        ("no state", r#"{"state":null}"#, 400, NOT_COMPLETED, NO_REQUESTS),
        ("another issuer", r#"{"iss":"https://evil.example"}"#, 400, UNTRUSTED, NO_REQUESTS),
        ("no issuer, although announced", r#"{"iss":null}"#, 400, UNTRUSTED, NO_REQUESTS),
        ("no code", r#"{"code":null}"#, 400, FAILED, NO_REQUESTS),
        ("an unknown code", r#"{"code":"made-up"}"#, 400, USED, TOKEN_ONLY),
        ("a code and an error", r#"{"error":"server_error"}"#, 502, FAILED, NO_REQUESTS),
    ] {
        assert_refused(row, answer(change), status, heading, requested).await;
    }
    for (row, error, status, heading) in [
        ("access_denied", "access_denied", 400, "You were not let in"),
        ("server_error", "server_error", 502, FAILED),
    ] {
        assert_refused(row, Fault::AuthorizationError(error), status, heading, NO_REQUESTS).await;
    }
}

/// Begins a log-in in this browser and opens the callback with the code of another.
async fn with_the_code_of(site: &Site, browser: &HttpBrowser, other: &Url) -> Page {
    let redirect = browser.get("/login").await;
    let provider = redirect.location().unwrap();
    let of = |url: &Url, name| {
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let mut callback = site.url.join("callback").unwrap();
    callback
        .query_pairs_mut()
        .append_pair("state", &of(&provider, "state").unwrap())
        .append_pair("code", &of(other, "code").unwrap())
        .append_pair("iss", site.servers.issuer());
    browser.get(callback.as_str()).await
}

#[tokio::test]
async fn refuses_code_of_another_login() {
    let site = Site::start().await;
    let (_, page) = site.signed_in(USER).await;
    let spent = page.hops.iter().map(|hop| &hop.url).find(|url| url.path() == "/callback").unwrap();
    // A code that was returned and not redeemed.
    site.servers.faults().set(Fault::ChangedResponse(r#"{"state":"x"}"#));
    let unspent = log_in(&site.browser(), "/login", USER).await.url;
    site.servers.faults().clear();

    for (row, code) in [("redeemed before", spent), ("of another browser", &unspent)] {
        let before = requested(&site);
        let browser = site.browser();
        let page = with_the_code_of(&site, &browser, code).await;
        assert_says(&page, 400, USED, row);
        assert_logged_out(&browser, row).await;
        let after = requested(&site);
        assert_eq!(std::array::from_fn(|i| after[i] - before[i]), TOKEN_ONLY, "{row}");
    }

    // The complete response, replayed in a browser that started no login.
    let before = requested(&site);
    let browser = site.browser();
    let page = browser.get(spent.as_str()).await;
    assert_says(&page, 400, NOT_COMPLETED, "replayed elsewhere");
    assert_logged_out(&browser, "replayed elsewhere").await;
    assert_eq!(requested(&site), before);
}

#[tokio::test]
async fn reports_token_endpoint_errors() {
    for (row, fault, status, heading, requested) in [
        ("500", Fault::TokenFails, 502, FAILED, TOKEN_ONLY),
        ("invalid_grant", Fault::TokenInvalidGrant, 400, USED, TOKEN_ONLY),
        ("no ID token", Fault::NoIdToken, 502, FAILED, TOKEN_ONLY),
    ] {
        assert_refused(row, fault, status, heading, requested).await;
    }
}

#[tokio::test]
async fn refuses_invalid_id_token_claims() {
    let claims = Fault::ChangedClaims;
    for (row, fault) in [
        ("wrong iss", Fault::WrongIssuer),
        ("no iss", claims(r#"{"iss":null}"#)),
        ("malformed iss", claims(r#"{"iss":7}"#)),
        ("wrong aud", Fault::WrongAudience),
        ("no aud", claims(r#"{"aud":null}"#)),
        ("empty aud", claims(r#"{"aud":[]}"#)),
        ("malformed aud", claims(r#"{"aud":{"portico":true}}"#)),
        ("a second aud without azp", claims(r#"{"aud":["portico","other"],"azp":null}"#)),
        ("wrong azp", Fault::WrongAuthorizedParty),
        ("malformed azp", claims(r#"{"azp":7}"#)),
        ("future iat", Fault::IssuedInTheFuture),
        ("no iat", claims(r#"{"iat":null}"#)),
        ("malformed iat", claims(r#"{"iat":"soon"}"#)),
        ("past exp", Fault::Expired),
        ("no exp", claims(r#"{"exp":null}"#)),
        ("malformed exp", claims(r#"{"exp":"never"}"#)),
        ("empty sub", Fault::EmptySubject),
        ("no sub", claims(r#"{"sub":null}"#)),
        ("malformed sub", claims(r#"{"sub":7}"#)),
        ("wrong at_hash", Fault::WrongAccessTokenHash),
        ("malformed at_hash", claims(r#"{"at_hash":7}"#)),
    ] {
        assert_refused(row, fault, 502, FAILED, TOKEN_ONLY).await;
    }
    for (row, fault) in [
        ("wrong nonce", Fault::WrongNonce),
        ("no nonce", claims(r#"{"nonce":null}"#)),
        ("malformed nonce", claims(r#"{"nonce":["x"]}"#)),
    ] {
        assert_refused(row, fault, 400, UNTRUSTED, TOKEN_ONLY).await;
    }
    // A wrong sub is noticed because userinfo has another one.
    assert_refused("wrong sub", Fault::WrongSubject, 502, FAILED, ALL).await;
}

#[tokio::test]
async fn refuses_invalid_id_token_signature() {
    let header = Fault::ChangedHeader;
    for (row, fault, status, heading, requested) in [
        ("alg none", Fault::AlgNone, 502, FAILED, TOKEN_ONLY),
        ("HS256 with the secret", Fault::Hs256, 502, FAILED, TOKEN_ONLY),
        ("an algorithm not listed", header(r#"{"alg":"RS512"}"#), 502, FAILED, TOKEN_ONLY),
        ("an unknown algorithm", header(r#"{"alg":"XY1"}"#), 502, FAILED, TOKEN_ONLY),
        ("crit", header(r#"{"crit":["x"],"x":1}"#), 502, FAILED, TOKEN_ONLY),
        ("the type of access tokens", header(r#"{"typ":"at+jwt"}"#), 502, FAILED, TOKEN_ONLY),
        ("flipped signature", Fault::InvalidSignature, 502, FAILED, KEYS_REFETCHED),
        ("no JWT", Fault::IdTokenText("a text"), 502, FAILED, TOKEN_ONLY),
        ("1 MB long", Fault::LongClaim(1 << 20), 502, FAILED, TOKEN_ONLY),
    ] {
        assert_refused(row, fault, status, heading, requested).await;
    }
}

#[tokio::test]
async fn fetches_rotated_key_once() {
    let site = Site::start().await;
    site.signed_in(USER).await;
    let before = requested(&site);
    site.servers.rotate_keys().await.unwrap();
    site.signed_in(USER).await;
    site.signed_in(USER).await;
    let after = requested(&site);
    let since: RequestCounts = std::array::from_fn(|i| after[i] - before[i]);
    assert_eq!(since, [0, 1, 2, 0]);
}

#[tokio::test]
async fn refuses_wrong_userinfo_and_accepts_failed_request() {
    let signed = Fault::UserinfoSigned;
    for (row, fault, status, heading, requested) in [
        ("another user", Fault::UserinfoWrongSubject, 502, FAILED, ALL),
        ("a wrong signature", Fault::UserinfoInvalidSignature, 502, FAILED, [0, 1, 1, 1]),
        ("signed for another", signed(r#"{"aud":"other"}"#), 502, FAILED, ALL),
        ("signed by another", signed(r#"{"iss":"https://evil.example"}"#), 502, FAILED, ALL),
        ("signed, about another user", signed(r#"{"sub":"other"}"#), 502, FAILED, ALL),
    ] {
        assert_refused(row, fault, status, heading, requested).await;
    }
    let site = site_with_userinfo().await;
    for fault in [signed("{}"), Fault::UserinfoUnauthorized, Fault::UserinfoHtml] {
        site.servers.faults().set(fault);
        let before = requested(&site);
        site.signed_in(USER).await;
        assert_eq!(requested(&site)[3] - before[3], 1, "{fault:?}");
        site.servers.faults().clear();
    }
}

#[tokio::test]
async fn reports_invalid_metadata_and_recovers() {
    let not_now = (503, "Log-in is not possible just now");
    let not_set_up = (500, "Log-in is not set up correctly");
    for (row, fault, (status, heading)) in [
        ("500", Fault::DiscoveryFails, not_now),
        ("a page", Fault::DiscoveryHtml, not_now),
        ("JSON that stops in the middle", Fault::DiscoveryTruncated, not_now),
        ("a redirect", Fault::DiscoveryRedirects, not_set_up),
        ("another issuer", Fault::DiscoveryWrongIssuer, not_set_up),
        ("an issuer with a path", Fault::DiscoveryIssuerSuffix("/tenant"), not_set_up),
        ("no jwks_uri", Fault::NoJwksUri, not_set_up),
    ] {
        let site = Site::start().await;
        site.servers.faults().set(fault);
        let browser = site.browser();
        let page = browser.visit("/login").await;
        assert_says(&page, status, heading, row);
        assert_logged_out(&browser, row).await;
        let counts = requested(&site);
        assert!((1..=3).contains(&counts[0]), "{row}: the failure is cached: {counts:?}");
        assert_eq!(counts[1..], [0, 0, 0], "{row}: no other request");

        site.servers.faults().clear();
        // The failure is cached for a second.
        let start = Instant::now();
        while browser.get("/login").await.status != StatusCode::SEE_OTHER {
            assert!(start.elapsed() < Duration::from_secs(15), "{row}: does not recover");
            // An address may begin 60 log-ins at once.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(log_in(&browser, "/login", USER).await.url.path(), "/profile", "{row}");
    }
    // The final slash of an issuer without a path makes no difference.
    let site = Site::start().await;
    site.servers.faults().set(Fault::DiscoveryIssuerSuffix("/"));
    assert_eq!(site.browser().get("/login").await.status, StatusCode::SEE_OTHER);
}

/// The same kinds of faults without a harmful change, so that the cases above fail for their change.
#[tokio::test]
async fn accepts_harmless_changes() {
    let site = site_with_userinfo().await;
    for fault in [
        Fault::ChangedResponse("{}"),
        Fault::ChangedClaims("{}"),
        Fault::ChangedClaims(r#"{"aud":["portico","other"],"azp":"portico"}"#),
        Fault::ChangedHeader("{}"),
        Fault::ChangedHeader(r#"{"kid":"x"}"#),
        Fault::LongClaim(1000),
        Fault::UserinfoSigned("{}"),
    ] {
        site.servers.faults().set(fault);
        site.signed_in(USER).await;
        site.servers.faults().clear();
    }
}

#[tokio::test]
async fn fault_is_selected_on_page_of_provider() {
    let site = Site::start().await;
    let provider = HttpBrowser::new(Url::parse(site.servers.issuer()).unwrap());
    let page = provider.visit("/").await;
    let page = provider.click(&page, "Simulate faults").await;
    assert_eq!(page.heading(), "Simulate faults");
    let page = provider.submit(&page, "Apply", &[("The ID token has expired", "expired")]).await;
    assert!(page.text().contains("Switched on: The ID token has expired."), "{}", page.text());
    assert!(!provider.visit("/misbehave").await.text().contains("Switched on"));
    assert_eq!(page.attribute("input[checked]", "value").as_deref(), Some("expired"));
    let browser = site.browser();
    assert_says(&log_in(&browser, "/login", USER).await, 502, FAILED, "expired");

    let page = provider.submit(&page, "Apply", &[("None", "no-fault")]).await;
    let keys = site.servers.request_count("jwks");
    assert!(page.text().contains("All faults are switched off."), "{}", page.text());
    let result = provider.submit(&page, "Rotate the signing key", &[]).await;
    assert!(result.text().contains("signs with a new key"), "{}", result.text());
    let browser = site.browser();
    assert_eq!(log_in(&browser, "/login", USER).await.url.path(), "/profile");
    assert_eq!(site.servers.request_count("jwks"), keys + 1);

    let result = provider.submit(&page, "Send back-channel logout", &[]).await;
    assert!(result.text().contains("The application responded with 200"), "{}", result.text());
    assert_eq!(browser.get("/profile").await.status, StatusCode::SEE_OTHER);
    let result = provider.submit(&page, "Send back-channel logout", &[]).await;
    assert!(result.text().contains("No user has a session."), "{}", result.text());
}

#[tokio::test]
async fn provider_refuses_faults_from_another_site() {
    let site = Site::start().await;
    let http = HttpClient::new(tls::client_config(None).unwrap(), Limits::default()).unwrap();
    let post = async |path: &str, from: Option<&str>| {
        let mut request = http::Request::post(format!("{}{path}", site.servers.issuer()))
            .header("Content-Type", "application/x-www-form-urlencoded");
        if let Some(from) = from {
            request = request.header("Sec-Fetch-Site", from);
        }
        let request = request.body(b"fault=made-up".to_vec()).unwrap();
        http.send(request).await.unwrap().status()
    };
    for path in ["/misbehave", "/misbehave/dialect", "/misbehave/rotate", "/misbehave/log-out"] {
        assert_eq!(post(path, Some("cross-site")).await, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(post("/misbehave", None).await, StatusCode::UNPROCESSABLE_ENTITY);
    site.signed_in(USER).await;
}

/// A claim that only userinfo states is no claim of the ID token.
#[tokio::test]
async fn profile_shows_claims_by_source() {
    let site = site_with_userinfo().await;
    let (_, profile) = site.signed_in(USER).await;
    assert_eq!(profile.select(".snippet h2"), ["Decoded ID token"], "nothing was added");

    site.servers.faults().set(Fault::UserinfoSigned(r#"{"department":"Legal"}"#));
    let (_, profile) = site.signed_in(USER).await;
    assert_eq!(profile.select(".snippet h2"), ["Decoded ID token", "Further claims of userinfo"]);
    let [id_token, userinfo] = &profile.select(".snippet code")[..] else {
        panic!("{}", profile.text())
    };
    assert!(id_token.contains("\"sub\"") && !id_token.contains("department"), "{id_token}");
    assert!(userinfo.contains("\"department\": \"Legal\""), "{userinfo}");
    assert!(!userinfo.contains("\"email\""), "the ID token states it: {userinfo}");
}
