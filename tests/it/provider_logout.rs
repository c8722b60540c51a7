//! The provider ends sessions: OpenID Connect Back-Channel and Front-Channel Logout.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use http::StatusCode;
use portico_adapters::system::SystemClock;
use portico_domain::ports::Clock;
use portico_tests::{
    http_browser::HttpBrowser,
    page::Page,
    site::{CLIENT_SECRET, Site, SiteOptions},
};
use reqwest::Method;
use ring::hmac;
use serde_json::{Value, json};

const USER: &str = "user@example.com";

/// The response to the provider.
struct LogoutResponse {
    status: StatusCode,
    error: String,
    description: String,
}

async fn send_token(site: &Site, token: &str) -> LogoutResponse {
    send_form(site, &[("logout_token", token), ("another", "field")]).await
}

async fn send_form(site: &Site, form: &[(&str, &str)]) -> LogoutResponse {
    let request = site.browser().request(Method::POST, "/backchannel-logout").form(form);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["Cache-Control"], "no-store");
    let status = answer.status();
    let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    LogoutResponse { status, error: text("error"), description: text("error_description") }
}

/// A claim of the ID token, read from the profile page.
fn claim(profile: &Page, name: &str) -> String {
    let text = profile.text();
    let (_, after) =
        text.split_once(&format!("\"{name}\": \"")).unwrap_or_else(|| panic!("{text}"));
    after.split('"').next().unwrap().to_owned()
}

async fn is_signed_in(browser: &HttpBrowser) -> bool {
    let page = browser.get("/profile").await;
    assert!(matches!(page.status, StatusCode::OK | StatusCode::SEE_OTHER), "{}", page.status);
    page.status == StatusCode::OK
}

async fn site_with(store: &'static str) -> Site {
    let settings = vec![("SESSION_STORE", store.to_owned())];
    Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await
}

async fn back_channel_logout_ends_one_or_all_sessions(store: &'static str) {
    let site = site_with(store).await;
    let (one, profile) = site.signed_in(USER).await;
    let (other, others) = site.signed_in(USER).await;
    let (admin, _) = site.signed_in("admin@example.com").await;
    let (sid, sub) = (claim(&profile, "sid"), claim(&profile, "sub"));
    assert_ne!(sid, claim(&others, "sid"));

    let token = site.servers.logout_token(&json!({}), &json!({ "sid": sid, "sub": sub })).unwrap();
    let response = send_token(&site, &token).await;
    assert_eq!(response.status, StatusCode::OK, "{}", response.description);
    assert!(!is_signed_in(&one).await);
    assert!(is_signed_in(&other).await);

    // A session that has ended, or never existed, is no error.
    let token = site.servers.logout_token(&json!({}), &json!({ "sid": sid })).unwrap();
    assert_eq!(send_token(&site, &token).await.status, StatusCode::OK);
    let token = site.servers.logout_token(&json!({}), &json!({ "sub": sub })).unwrap();
    assert_eq!(send_token(&site, &token).await.status, StatusCode::OK);
    assert!(!is_signed_in(&other).await);
    assert!(is_signed_in(&admin).await);

    // The token does not end later sessions, also when it is replayed.
    let (again, _) = site.signed_in(USER).await;
    assert_eq!(send_token(&site, &token).await.status, StatusCode::BAD_REQUEST);
    assert!(is_signed_in(&again).await);
}

#[tokio::test]
async fn back_channel_logout_ends_cookie_sessions() {
    back_channel_logout_ends_one_or_all_sessions("cookie").await;
}

#[tokio::test]
async fn back_channel_logout_ends_database_sessions() {
    back_channel_logout_ends_one_or_all_sessions("database").await;
}

/// The same claims, signed with the client's secret (HS256).
fn signed_with_secret(token: &str) -> String {
    let claims = token.split('.').nth(1).unwrap();
    let header = BASE64.encode(json!({ "alg": "HS256", "typ": "logout+jwt" }).to_string());
    let key = hmac::Key::new(hmac::HMAC_SHA256, CLIENT_SECRET.as_bytes());
    let signature = hmac::sign(&key, format!("{header}.{claims}").as_bytes());
    format!("{header}.{claims}.{}", BASE64.encode(signature))
}

/// The expected reason, and a change to the header and to the claims of a valid token.
fn faults() -> Vec<(&'static str, Value, Value)> {
    let now = SystemClock.now().timestamp();
    let event = "http://schemas.openid.net/event/backchannel-logout";
    let none = || json!({});
    vec![
        ("another issuer", none(), json!({ "iss": "https://attacker.example" })),
        ("another issuer", none(), json!({ "iss": null })),
        ("another issuer", none(), json!({ "iss": 7 })),
        ("not in its audience", none(), json!({ "aud": "another" })),
        ("not in its audience", none(), json!({ "aud": ["another"] })),
        ("not in its audience", none(), json!({ "aud": null })),
        ("in the future", none(), json!({ "iat": now + 3_600 })),
        ("too long ago", none(), json!({ "iat": now - 3_600 })),
        ("iat", none(), json!({ "iat": null })),
        ("iat", none(), json!({ "iat": "now" })),
        ("expired", none(), json!({ "exp": now - 3_600 })),
        ("exp", none(), json!({ "exp": "soon" })),
        ("no log-out event", none(), json!({ "events": null })),
        ("no log-out event", none(), json!({ "events": {} })),
        ("no log-out event", none(), json!({ "events": { "another": {} } })),
        ("no log-out event", none(), json!({ "events": { event: true } })),
        ("no log-out event", none(), json!({ "events": [event] })),
        ("no log-out event", none(), json!({ "events": { event: {}, "another": {} } })),
        ("nonce", none(), json!({ "nonce": "n" })),
        ("nonce", none(), json!({ "nonce": "" })),
        ("no jti", none(), json!({ "jti": null })),
        ("its jti", none(), json!({ "jti": "" })),
        ("its jti", none(), json!({ "jti": 7 })),
        ("neither", none(), json!({ "sid": null, "sub": null })),
        ("its sid", none(), json!({ "sid": 7 })),
        ("its sub", none(), json!({ "sub": ["user"] })),
        ("type", json!({ "typ": "at+jwt" }), none()),
        ("critical", json!({ "crit": ["exp"] }), none()),
        ("it is signed with", json!({ "alg": "none" }), none()),
        ("it is signed with", json!({ "alg": "HS256" }), none()),
        ("it is signed with", json!({ "alg": "RS512" }), none()),
        ("it is signed with", json!({ "alg": "ES256" }), none()),
        ("header", json!({ "alg": "XY512" }), none()),
        ("header", json!({ "alg": null }), none()),
    ]
}

#[tokio::test]
async fn refuses_invalid_logout_token() {
    let site = Site::start().await;
    let (browser, profile) = site.signed_in(USER).await;
    let with_session = with_session_of(&profile);
    let token =
        |header: &Value, claims| site.servers.logout_token(header, &with_session(claims)).unwrap();
    let good = token(&json!({}), json!({}));
    let mut rows: Vec<(&str, String)> =
        faults().into_iter().map(|(why, header, claims)| (why, token(&header, claims))).collect();
    rows.extend([
        ("it is signed with", signed_with_secret(&good)),
        ("malformed", "not.a-jwt".into()),
        ("malformed", "no JWT".into()),
        ("malformed", "a.b.c".into()),
        ("malformed", "YQ.YQ.YQ".into()),
        ("malformed", String::new()),
        ("too long", format!("{good}{}", "A".repeat(17_000))),
    ]);
    let before = requested(&site);
    for (why, token) in rows {
        assert_refused(&site, &token, why).await;
        assert!(is_signed_in(&browser).await, "{why}");
        assert_eq!(requested(&site), before, "{why}: no request to the provider");
    }
    // The unchanged token is accepted.
    assert_eq!(send_token(&site, &good).await.status, StatusCode::OK);
    assert!(!is_signed_in(&browser).await);
}

/// Adds the `sid` of the profile page, unless the claims have one.
fn with_session_of(profile: &Page) -> impl Fn(Value) -> Value + use<> {
    let sid = claim(profile, "sid");
    move |mut claims| {
        if claims.get("sid").is_none() {
            claims["sid"] = sid.clone().into();
        }
        claims
    }
}

/// Number of requests to discovery, key set, token endpoint and userinfo.
fn requested(site: &Site) -> [usize; 4] {
    ["discovery", "jwks", "token", "userinfo"].map(|endpoint| site.servers.request_count(endpoint))
}

async fn assert_refused(site: &Site, token: &str, why: &str) {
    let response = send_token(site, token).await;
    assert_eq!(response.status, StatusCode::BAD_REQUEST, "{why}");
    assert_eq!(response.error, "invalid_request");
    assert!(response.description.contains(why), "{why}: {}", response.description);
}

/// The key may be newer than the cached ones, so the key set is fetched, at most once a second.
#[tokio::test]
async fn refuses_logout_token_with_unknown_key_after_fetching_keys() {
    type Forge = fn(&str) -> String;
    let other_key: (Value, Forge) = (json!({ "kid": "another" }), str::to_owned);
    let flipped: (Value, Forge) = (json!({}), |good| {
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let first = if signature.starts_with('A') { "B" } else { "A" };
        format!("{signed}.{first}{}", &signature[1..])
    });
    let unsigned: (Value, Forge) = (json!({}), |good| {
        let (signed, _) = good.rsplit_once('.').unwrap();
        format!("{signed}.")
    });
    for (header, forge) in [other_key, flipped, unsigned] {
        let site = Site::start().await;
        let (browser, profile) = site.signed_in(USER).await;
        let token =
            site.servers.logout_token(&header, &with_session_of(&profile)(json!({}))).unwrap();
        let [discovery, keys, tokens, userinfo] = requested(&site);
        for fetches in 1..=2 {
            assert_refused(&site, &forge(&token), "no key").await;
            assert!(is_signed_in(&browser).await, "{header}");
            let expected = [discovery, keys + fetches, tokens, userinfo];
            assert_eq!(requested(&site), expected, "{header}");
        }
    }
}

#[tokio::test]
async fn accepts_valid_variants_of_logout_token() {
    let site = Site::start().await;
    let now = SystemClock.now().timestamp();
    for (header, claims) in [
        (json!({ "typ": "JWT" }), json!({})),
        (json!({ "typ": null }), json!({})),
        (json!({ "typ": "application/logout+jwt", "unknown": 1 }), json!({})),
        (json!({ "kid": null }), json!({})),
        (json!({}), json!({ "exp": null, "unknown": [1] })),
        (json!({}), json!({ "aud": ["another", "portico"] })),
        (json!({}), json!({ "iat": now - 300 })),
        (json!({}), json!({ "iat": now + 30 })),
    ] {
        let (browser, profile) = site.signed_in(USER).await;
        let mut claims = claims;
        claims["sid"] = claim(&profile, "sid").into();
        let response =
            send_token(&site, &site.servers.logout_token(&header, &claims).unwrap()).await;
        assert_eq!(response.status, StatusCode::OK, "{header} {claims}: {}", response.description);
        assert!(!is_signed_in(&browser).await, "{header} {claims}");
    }
}

#[tokio::test]
async fn reports_provider_outage_as_temporarily_unavailable() {
    let site = Site::start().await;
    let token = site.servers.logout_token(&json!({}), &json!({ "sub": "nobody" })).unwrap();
    site.servers.stop_provider().await;
    let response = send_token(&site, &token).await;
    assert_eq!(
        (response.status, &*response.error),
        (StatusCode::BAD_REQUEST, "temporarily_unavailable")
    );
    site.servers.start_provider().await.unwrap();
}

#[tokio::test]
async fn refuses_request_without_logout_token() {
    let site = Site::start().await;
    for form in [&[("another", "field")][..], &[]] {
        let response = send_form(&site, form).await;
        assert_eq!(
            (response.status, &*response.error),
            (StatusCode::BAD_REQUEST, "invalid_request")
        );
    }
    let request = site.browser().request(Method::POST, "/backchannel-logout").body("{}");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::BAD_REQUEST);
}

/// The response to the frame in the provider's log-out page.
async fn frame(site: &Site, browser: &HttpBrowser, iss: &str, sid: &str) -> StatusCode {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("iss", iss), ("sid", sid)])
        .finish();
    let page = browser.get(&format!("/frontchannel-logout?{query}")).await;
    assert_eq!(page.header("Cache-Control"), Some("no-store"));
    assert_eq!(page.header("X-Frame-Options"), None);
    let policy = page.header("Content-Security-Policy").unwrap();
    let provider = site.servers.issuer();
    assert!(policy.ends_with(&format!("frame-ancestors {provider}")), "{policy}");
    page.status
}

#[tokio::test]
async fn front_channel_logout_ends_named_session() {
    for store in ["cookie", "database"] {
        let site = site_with(store).await;
        let (one, profile) = site.signed_in(USER).await;
        let (other, others) = site.signed_in(USER).await;
        let (sid, iss) = (claim(&profile, "sid"), site.servers.issuer().to_owned());
        for (iss, sid) in [("https://attacker.example", &*sid), (&iss, ""), (&iss, "another")] {
            frame(&site, &one, iss, sid).await;
            assert!(is_signed_in(&one).await, "{iss} {sid}");
        }
        // With the cookies of the session, and without, as browsers that block third-party cookies do.
        assert_eq!(frame(&site, &one, &iss, &sid).await, StatusCode::OK);
        assert!(!is_signed_in(&one).await);
        assert!(is_signed_in(&other).await);
        let sid = claim(&others, "sid");
        assert_eq!(frame(&site, &site.browser(), &iss, &sid).await, StatusCode::OK);
        assert!(!is_signed_in(&other).await);
    }
}

/// The tests of the stores cover what such requests may store.
#[tokio::test]
async fn front_channel_logouts_of_unknown_sessions_do_not_block_genuine_ones() {
    let site = Site::start().await;
    let (browser, profile) = site.signed_in(USER).await;
    let anonymous = site.browser();
    for number in 0..300 {
        let status = frame(&site, &anonymous, site.servers.issuer(), &number.to_string()).await;
        assert_eq!(status, StatusCode::OK);
    }
    let sid = claim(&profile, "sid");
    assert_eq!(frame(&site, &anonymous, site.servers.issuer(), &sid).await, StatusCode::OK);
    assert!(!is_signed_in(&browser).await);
}

#[tokio::test]
async fn only_front_channel_logout_page_can_be_framed() {
    let site = Site::start().await;
    for path in ["/", "/frontchannel-logout/", "/frontchannel-logout/more", "/profile"] {
        let page = site.browser().get(path).await;
        assert_eq!(page.header("X-Frame-Options"), Some("DENY"), "{path}");
        let policy = page.header("Content-Security-Policy").unwrap();
        assert!(policy.ends_with("frame-ancestors 'none'"), "{path}: {policy}");
    }
    let page = site.browser().get("/frontchannel-logout?iss=only").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
}
