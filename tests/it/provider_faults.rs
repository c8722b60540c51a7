//! The provider that lies, as somebody in a browser meets it: a row for each fault, each from a
//! login that works, with one thing changed.
//!
//! What each rule of ID tokens, userinfo and refresh comes to in the log is in `identity`; what
//! logout tokens come to, in `provider_logout`.

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

/// How often discovery, keys, token endpoint and userinfo are asked.
type Asked = [usize; 4];

/// The browser never came as far as to a code that is worth a try.
const NOBODY: Asked = [0, 0, 0, 0];
/// The token endpoint alone: nothing is asked with tokens that are refused.
const TOKEN: Asked = [0, 0, 1, 0];
/// No key fitted, so that newer ones were asked for, once.
const REKEYED: Asked = [0, 1, 1, 0];
const ALL: Asked = [0, 0, 1, 1];

fn requested(site: &Site) -> Asked {
    ["discovery", "jwks", "token", "userinfo"].map(|endpoint| site.servers.request_count(endpoint))
}

fn has_a_session(person: &HttpBrowser) -> bool {
    person
        .cookies()
        .unwrap_or_default()
        .split("; ")
        .any(|cookie| cookie.starts_with("portico_session"))
}

async fn assert_nobody_is_signed_in(person: &HttpBrowser, row: &str) {
    assert!(!has_a_session(person), "{row}: {:?}", person.cookies());
    assert_eq!(person.get("/profile").await.status, StatusCode::SEE_OTHER, "{row}");
}

fn assert_says(page: &Page, status: u16, heading: &str, row: &str) {
    let found = (page.status.as_u16(), page.heading());
    assert_eq!(found, (status, heading.to_owned()), "{row}: {}", page.text());
}

/// A site that asks userinfo at each log-in, whatever the ID token holds.
async fn site_that_asks_userinfo() -> Site {
    let settings = vec![("OIDC_USERINFO", "always".to_owned())];
    Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await
}

/// A login by which somebody else has been signed in already, and one with the fault.
async fn assert_refused(row: &str, fault: Fault, status: u16, heading: &str, expected: Asked) {
    let site = site_that_asks_userinfo().await;
    site.signed_in(USER).await;
    let before = requested(&site);
    site.servers.faults().set(fault);
    let person = site.person();
    let begun = person.visit("/login").await;
    // Some providers refuse before they ask for a password.
    let page = if begun.url.origin() == site.url.origin() {
        begun
    } else {
        person.submit(&begun, "Log In", &[("Email", USER), ("Password", "portico")]).await
    };
    assert_says(&page, status, heading, row);
    assert_nobody_is_signed_in(&person, row).await;
    let after = requested(&site);
    assert_eq!(std::array::from_fn(|i| after[i] - before[i]), expected, "{row}");

    site.servers.faults().clear();
    let mut page = person.visit("/login").await;
    if page.url.path() != "/profile" {
        page = person.submit(&page, "Log In", &[("Email", USER), ("Password", "portico")]).await;
    }
    assert_eq!(page.url.path(), "/profile", "{row}: it passes");
    assert!(has_a_session(&person), "{row}: it passes");
}

const UNTRUSTED: &str = "This login cannot be trusted";
const NOT_COMPLETED: &str = "This login cannot be completed";
const USED: &str = "This login was used or has expired";
const FAILED: &str = "Signing in failed";

#[tokio::test]
async fn refuses_altered_authorization_response() {
    let answer = Fault::ChangedResponse;
    for (row, change, status, heading, requested) in [
        ("another state", r#"{"state":"x"}"#, 400, NOT_COMPLETED, NOBODY),
        ("no state", r#"{"state":null}"#, 400, NOT_COMPLETED, NOBODY),
        ("another issuer", r#"{"iss":"https://evil.example"}"#, 400, UNTRUSTED, NOBODY),
        ("no issuer, though promised", r#"{"iss":null}"#, 400, UNTRUSTED, NOBODY),
        ("no code", r#"{"code":null}"#, 400, FAILED, NOBODY),
        ("a code that nobody knows", r#"{"code":"made-up"}"#, 400, USED, TOKEN),
        ("a code and an error", r#"{"error":"server_error"}"#, 502, FAILED, NOBODY),
    ] {
        assert_refused(row, answer(change), status, heading, requested).await;
    }
    for (row, error, status, heading) in [
        ("access_denied", "access_denied", 400, "You were not let in"),
        ("server_error", "server_error", 502, FAILED),
    ] {
        assert_refused(row, Fault::AuthorizationError(error), status, heading, NOBODY).await;
    }
}

/// Begins a login of this person, and comes back with the code of another.
async fn with_the_code_of(site: &Site, person: &HttpBrowser, other: &Url) -> Page {
    let begun = person.get("/login").await;
    let provider = begun.location().unwrap();
    let of = |url: &Url, name| {
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let mut callback = site.url.join("callback").unwrap();
    callback
        .query_pairs_mut()
        .append_pair("state", &of(&provider, "state").unwrap())
        .append_pair("code", &of(other, "code").unwrap())
        .append_pair("iss", site.servers.issuer());
    person.get(callback.as_str()).await
}

#[tokio::test]
async fn refuses_code_of_another_login() {
    let site = Site::start().await;
    let (_, page) = site.signed_in(USER).await;
    let spent = page.hops.iter().map(|hop| &hop.url).find(|url| url.path() == "/callback").unwrap();
    // A code that came back and was not redeemed.
    site.servers.faults().set(Fault::ChangedResponse(r#"{"state":"x"}"#));
    let unspent = log_in(&site.person(), "/login", USER).await.url;
    site.servers.faults().clear();

    for (row, code) in [("redeemed before", spent), ("of another browser", &unspent)] {
        let before = requested(&site);
        let person = site.person();
        let page = with_the_code_of(&site, &person, code).await;
        assert_says(&page, 400, USED, row);
        assert_nobody_is_signed_in(&person, row).await;
        let after = requested(&site);
        assert_eq!(std::array::from_fn(|i| after[i] - before[i]), TOKEN, "{row}");
    }

    // The whole answer again, in a browser that never asked for it.
    let before = requested(&site);
    let person = site.person();
    let page = person.get(spent.as_str()).await;
    assert_says(&page, 400, NOT_COMPLETED, "replayed elsewhere");
    assert_nobody_is_signed_in(&person, "replayed elsewhere").await;
    assert_eq!(requested(&site), before);
}

#[tokio::test]
async fn reports_token_endpoint_errors() {
    for (row, fault, status, heading, requested) in [
        ("500", Fault::TokenFails, 502, FAILED, TOKEN),
        ("invalid_grant", Fault::TokenInvalidGrant, 400, USED, TOKEN),
        ("no ID token", Fault::NoIdToken, 502, FAILED, TOKEN),
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
        assert_refused(row, fault, 502, FAILED, TOKEN).await;
    }
    for (row, fault) in [
        ("wrong nonce", Fault::WrongNonce),
        ("no nonce", claims(r#"{"nonce":null}"#)),
        ("malformed nonce", claims(r#"{"nonce":["x"]}"#)),
    ] {
        assert_refused(row, fault, 400, UNTRUSTED, TOKEN).await;
    }
    // Another person's is found out where userinfo speaks of the right one.
    assert_refused("wrong sub", Fault::WrongSubject, 502, FAILED, ALL).await;
}

#[tokio::test]
async fn refuses_invalid_id_token_signature() {
    let header = Fault::ChangedHeader;
    for (row, fault, status, heading, requested) in [
        ("alg none", Fault::AlgNone, 502, FAILED, TOKEN),
        ("HS256 with the secret", Fault::Hs256, 502, FAILED, TOKEN),
        ("an algorithm not listed", header(r#"{"alg":"RS512"}"#), 502, FAILED, TOKEN),
        ("an unknown algorithm", header(r#"{"alg":"XY1"}"#), 502, FAILED, TOKEN),
        ("crit", header(r#"{"crit":["x"],"x":1}"#), 502, FAILED, TOKEN),
        ("the type of access tokens", header(r#"{"typ":"at+jwt"}"#), 502, FAILED, TOKEN),
        ("flipped signature", Fault::InvalidSignature, 502, FAILED, REKEYED),
        ("no JWT", Fault::IdTokenText("a text"), 502, FAILED, TOKEN),
        ("1 MB long", Fault::LongClaim(1 << 20), 502, FAILED, TOKEN),
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
    let since: Asked = std::array::from_fn(|i| after[i] - before[i]);
    assert_eq!(since, [0, 1, 2, 0]);
}

#[tokio::test]
async fn refuses_wrong_userinfo_and_accepts_failed_request() {
    let signed = Fault::UserinfoSigned;
    for (row, fault, status, heading, requested) in [
        ("another person", Fault::UserinfoWrongSubject, 502, FAILED, ALL),
        ("a wrong signature", Fault::UserinfoInvalidSignature, 502, FAILED, [0, 1, 1, 1]),
        ("signed for another", signed(r#"{"aud":"other"}"#), 502, FAILED, ALL),
        ("signed by another", signed(r#"{"iss":"https://evil.example"}"#), 502, FAILED, ALL),
        ("signed, of another person", signed(r#"{"sub":"other"}"#), 502, FAILED, ALL),
    ] {
        assert_refused(row, fault, status, heading, requested).await;
    }
    let site = site_that_asks_userinfo().await;
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
    for (row, fault) in [
        ("500", Fault::DiscoveryFails),
        ("a page", Fault::DiscoveryHtml),
        ("JSON that stops in the middle", Fault::DiscoveryTruncated),
        ("a redirect", Fault::DiscoveryRedirects),
        ("another issuer", Fault::DiscoveryWrongIssuer),
        ("an issuer with a path", Fault::DiscoveryIssuerSuffix("/tenant")),
        ("no jwks_uri", Fault::NoJwksUri),
    ] {
        let site = Site::start().await;
        site.servers.faults().set(fault);
        let person = site.person();
        let page = person.visit("/login").await;
        assert_says(&page, 503, "Signing in is not possible just now", row);
        assert_nobody_is_signed_in(&person, row).await;
        let known = requested(&site);
        assert!((1..=3).contains(&known[0]), "{row}: a failure is remembered: {known:?}");
        assert_eq!(known[1..], [0, 0, 0], "{row}: nothing else is asked");

        site.servers.faults().clear();
        // The failure is the answer for a second.
        let begun = Instant::now();
        while person.get("/login").await.status != StatusCode::SEE_OTHER {
            assert!(begun.elapsed() < Duration::from_secs(15), "{row}: it never passes");
            tokio::task::yield_now().await;
        }
        assert_eq!(log_in(&person, "/login", USER).await.url.path(), "/profile", "{row}");
    }
    // Of a bare host, the slash makes no difference.
    let site = Site::start().await;
    site.servers.faults().set(Fault::DiscoveryIssuerSuffix("/"));
    assert_eq!(site.person().get("/login").await.status, StatusCode::SEE_OTHER);
}

/// The switches alone break nothing, so that each row above fails for what it changes.
#[tokio::test]
async fn accepts_harmless_changes() {
    let site = site_that_asks_userinfo().await;
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
    assert_eq!(page.attribute("input[checked]", "value").as_deref(), Some("expired"));
    let person = site.person();
    assert_says(&log_in(&person, "/login", USER).await, 502, FAILED, "expired");

    let page = provider.submit(&page, "Apply", &[("None", "no-fault")]).await;
    let keys = site.servers.request_count("jwks");
    provider.submit(&page, "Rotate the signing key", &[]).await;
    let person = site.person();
    assert_eq!(log_in(&person, "/login", USER).await.url.path(), "/profile");
    assert_eq!(site.servers.request_count("jwks"), keys + 1);

    let told = provider.submit(&page, "Send back-channel logout", &[]).await;
    assert!(told.text().contains("The application responded with 200"), "{}", told.text());
    assert_eq!(person.get("/profile").await.status, StatusCode::SEE_OTHER);
    let told = provider.submit(&page, "Send back-channel logout", &[]).await;
    assert!(told.text().contains("No user has a session."), "{}", told.text());
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
    for path in ["/misbehave", "/misbehave/rotate", "/misbehave/log-out"] {
        assert_eq!(post(path, Some("cross-site")).await, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(post("/misbehave", None).await, StatusCode::UNPROCESSABLE_ENTITY);
    site.signed_in(USER).await;
}

/// A claim that only userinfo states is no claim of the ID token.
#[tokio::test]
async fn profile_shows_claims_by_source() {
    let site = site_that_asks_userinfo().await;
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
