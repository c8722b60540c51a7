//! Renewal of access tokens when pages need them, with the development provider.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use chrono::TimeDelta;
use http::StatusCode;
use portico_development::Fault;
use portico_domain::{
    model::{
        AuthorizationResponse, Identity, LoginAttempt, LogoutToken, Message, Reader, RefreshToken,
        RefreshedTokens, Screen, Session, State, Topic,
    },
    ports::{
        Clock, IdentityProvider, LogoutTokenError, MessageApi, MessageError, ProviderUnavailable,
        RedeemError, RefreshError, RefusalReason,
    },
};
use portico_tests::{
    http_browser::HttpBrowser,
    page::Page,
    redis::Redis,
    site::{Change, Site, SiteOptions},
};
use rstest::rstest;
use rstest_reuse::{apply, template};
use tokio::task::JoinSet;

const USER: &str = "user@example.com";

/// A provider whose first access token is about to expire.
struct ExpiringTokens {
    provider: Arc<dyn IdentityProvider>,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl IdentityProvider for ExpiringTokens {
    async fn authorization_url(
        &self,
        attempt: &LoginAttempt,
        screen: Screen,
    ) -> Result<String, ProviderUnavailable> {
        self.provider.authorization_url(attempt, screen).await
    }

    async fn verify_issuer(&self, issuer: Option<String>) -> Result<(), RedeemError> {
        self.provider.verify_issuer(issuer).await
    }

    async fn redeem(
        &self,
        response: &AuthorizationResponse,
        attempt: &LoginAttempt,
    ) -> Result<Identity, RedeemError> {
        let mut identity = self.provider.redeem(response, attempt).await?;
        // Issued an hour ago, and about to expire.
        identity.tokens.access_token_issued_at = self.clock.now() - TimeDelta::hours(1);
        identity.tokens.access_token_expires_at = Some(self.clock.now() + TimeDelta::seconds(20));
        Ok(identity)
    }

    async fn refresh(&self, session: &Session) -> Result<RefreshedTokens, RefreshError> {
        self.provider.refresh(session).await
    }

    async fn revoke(&self, token: &RefreshToken, delay: TimeDelta) {
        self.provider.revoke(token, delay).await;
    }

    async fn verify_logout_token(&self, token: &str) -> Result<LogoutToken, LogoutTokenError> {
        self.provider.verify_logout_token(token).await
    }

    async fn end_session_url(
        &self,
        identity: &Identity,
        state: &State,
    ) -> Result<Option<String>, ProviderUnavailable> {
        self.provider.end_session_url(identity, state).await
    }

    async fn check(&self) -> Result<(), ProviderUnavailable> {
        self.provider.check().await
    }
}

/// An API that refuses valid tokens, once or always.
struct RefusingApi {
    api: Arc<dyn MessageApi>,
    always: bool,
    refused: AtomicBool,
}

#[async_trait]
impl MessageApi for RefusingApi {
    async fn read(&self, topic: Topic, reader: Option<Reader>) -> Result<Message, MessageError> {
        if !self.refused.swap(true, Ordering::SeqCst) || self.always {
            return Err(MessageError::Refused {
                reason: RefusalReason::Unauthenticated,
                text: "Bad credentials".into(),
            });
        }
        self.api.read(topic, reader).await
    }

    async fn check(&self) -> Result<(), MessageError> {
        self.api.check().await
    }
}

/// The session store.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Store {
    Cookie,
    Database,
    Redis,
}

/// A site with refresh tokens, and the Redis behind it.
struct Refreshing {
    site: Site,
    _redis: Option<Redis>,
}

async fn refreshing(store: Store, change: Change) -> Refreshing {
    let redis = (store == Store::Redis).then(Redis::start);
    let kind = match store {
        Store::Cookie => "cookie",
        Store::Database => "database",
        Store::Redis => "redis",
    };
    let mut settings = vec![
        ("OIDC_SCOPES", "openid profile email offline_access".to_owned()),
        ("SESSION_STORE", kind.to_owned()),
    ];
    settings.extend(redis.as_ref().map(|redis| ("REDIS_URL", redis.url())));
    let particular = SiteOptions { settings, ports: Some(change), ..SiteOptions::default() };
    Refreshing { site: Site::start_with(particular).await, _redis: redis }
}

fn expiring_tokens() -> Change {
    Box::new(|ports| {
        let (provider, clock) = (Arc::clone(&ports.identity), Arc::clone(&ports.clock));
        ports.identity = Arc::new(ExpiringTokens { provider, clock });
    })
}

fn refusing_api(always: bool) -> Change {
    Box::new(move |ports| {
        let api = Arc::clone(&ports.messages);
        ports.messages = Arc::new(RefusingApi { api, always, refused: AtomicBool::default() });
    })
}

/// Number of refresh requests to the token endpoint.
fn renewals(site: &Site) -> usize {
    // Each test logs in once.
    site.servers.request_count("token") - 1
}

async fn until_renewing(site: &Site) {
    let start = Instant::now();
    while renewals(site) == 0 {
        assert!(start.elapsed() < Duration::from_secs(15), "no refresh request");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn assert_read(page: &Page) {
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    assert!(page.text().contains("This is a protected message."), "{}", page.text());
}

async fn is_signed_in(browser: &HttpBrowser) -> bool {
    browser.get("/profile").await.status == StatusCode::OK
}

#[template]
#[rstest]
#[case::cookie(Store::Cookie)]
#[case::database(Store::Database)]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
#[case::redis(Store::Redis)]
fn each_store(#[case] store: Store) {}

#[apply(each_store)]
#[tokio::test]
async fn renews_expiring_token_for_page_that_needs_it(#[case] store: Store) {
    let Refreshing { site, _redis } = refreshing(store, expiring_tokens()).await;
    let (browser, _) = site.signed_in(USER).await;
    assert_eq!(renewals(&site), 0, "the profile needs no access token");
    for _ in 0..2 {
        assert_read(&browser.get("/protected").await);
        assert_eq!(renewals(&site), 1);
    }
    assert!(is_signed_in(&browser).await);
}

#[apply(each_store)]
#[tokio::test]
async fn ten_simultaneous_requests_renew_token_once(#[case] store: Store) {
    let Refreshing { site, _redis } = refreshing(store, expiring_tokens()).await;
    let (browser, _) = site.signed_in(USER).await;
    // Slow enough for all requests to overlap.
    site.servers.faults().set(Fault::TokenSlow(Duration::from_millis(500)));
    let mut tabs = JoinSet::new();
    for _ in 0..10 {
        let tab = browser.clone();
        tabs.spawn(async move { tab.get("/protected").await });
    }
    for page in tabs.join_all().await {
        assert_read(&page);
    }
    assert_eq!(renewals(&site), 1);
    assert_read(&browser.get("/protected").await);
    assert_eq!(renewals(&site), 1);
}

#[apply(each_store)]
#[tokio::test]
async fn logout_during_renewal_ends_session(#[case] store: Store) {
    let Refreshing { site, _redis } = refreshing(store, expiring_tokens()).await;
    let (browser, profile) = site.signed_in(USER).await;
    site.servers.faults().set(Fault::TokenSlow(Duration::from_secs(1)));
    let tab = browser.clone();
    let reading = tokio::spawn(async move { tab.get("/protected").await });
    until_renewing(&site).await;
    browser.submit(&profile, "Log Out", &[]).await;
    let page = reading.await.unwrap();
    assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{}", page.text());
    assert_eq!(page.heading(), "Your session has ended");
    assert!(!is_signed_in(&browser).await);
}

#[apply(each_store)]
#[tokio::test]
async fn refused_renewal_ends_session_with_message(#[case] store: Store) {
    let Refreshing { site, _redis } = refreshing(store, expiring_tokens()).await;
    let (browser, _) = site.signed_in(USER).await;
    site.servers.faults().set(Fault::TokenInvalidGrant);
    let page = browser.get("/protected").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert_eq!(page.heading(), "Your session has ended");
    assert!(page.text().contains("Reference"));
    // The page has the layout of a visitor without a session.
    assert!(page.link("Log In").is_some() && !page.text().contains("Log Out"), "{}", page.text());
    assert!(!is_signed_in(&browser).await);

    site.servers.faults().clear();
    let back = page.attribute("main a.button", "href").unwrap();
    assert_eq!(back, "/login?next=%2Fprotected");
    let page = browser.visit(&back).await;
    assert_eq!(page.url.path(), "/protected", "still signed in at the provider");
    assert_read(&page);
}

/// Each fault with the number of requests to discovery, key set, token endpoint and userinfo.
#[tokio::test]
async fn invalid_renewal_response_ends_session() {
    let (token, rekeyed) = ([0, 0, 1, 0], [0, 1, 1, 0]);
    for (fault, expected) in [
        (Fault::TokenInvalidGrant, token),
        (Fault::WrongSubject, token),
        (Fault::EmptySubject, token),
        (Fault::WrongIssuer, token),
        (Fault::WrongAudience, token),
        (Fault::WrongAuthorizedParty, token),
        (Fault::WrongNonce, token),
        (Fault::Expired, token),
        (Fault::IssuedInTheFuture, token),
        (Fault::WrongAccessTokenHash, token),
        (Fault::AlgNone, token),
        (Fault::Hs256, token),
        (Fault::ChangedHeader(r#"{"crit":["x"],"x":1}"#), token),
        (Fault::IdTokenText("a text"), token),
        (Fault::InvalidSignature, rekeyed),
    ] {
        let Refreshing { site, .. } = refreshing(Store::Cookie, expiring_tokens()).await;
        let requested = || {
            ["discovery", "jwks", "token", "userinfo"]
                .map(|endpoint| site.servers.request_count(endpoint))
        };
        let (browser, _) = site.signed_in(USER).await;
        let before = requested();
        site.servers.faults().set(fault);
        let page = browser.get("/protected").await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{fault:?}: {}", page.text());
        assert_eq!(page.heading(), "Your session has ended", "{fault:?}");
        assert!(!is_signed_in(&browser).await, "{fault:?}");
        let after = requested();
        assert_eq!(std::array::from_fn(|i| after[i] - before[i]), expected, "{fault:?}");
    }
}

#[tokio::test]
async fn json_request_gets_401_when_session_ended() {
    let Refreshing { site, .. } = refreshing(Store::Cookie, expiring_tokens()).await;
    let (browser, _) = site.signed_in(USER).await;
    site.servers.faults().set(Fault::TokenInvalidGrant);
    let answer = browser.get_json("/protected").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.json()["message"], "Your session has ended");
    assert!(!is_signed_in(&browser).await);
}

#[tokio::test]
async fn keeps_session_when_refresh_fails_or_times_out() {
    let Refreshing { site, .. } = refreshing(Store::Database, expiring_tokens()).await;
    let (browser, _) = site.signed_in(USER).await;
    for fault in [Fault::TokenFails, Fault::TokenSlow(Duration::from_secs(60))] {
        site.servers.faults().set(fault);
        // The current access token is still valid.
        assert_read(&browser.get("/protected").await);
        assert!(is_signed_in(&browser).await);
        site.servers.faults().clear();
    }
    let before = renewals(&site);
    assert_read(&browser.get("/protected").await);
    assert_eq!(renewals(&site), before + 1, "renewed as soon as the provider works");
}

#[tokio::test]
async fn keeps_session_during_provider_outage() {
    let Refreshing { site, .. } = refreshing(Store::Cookie, expiring_tokens()).await;
    let (browser, _) = site.signed_in(USER).await;
    // The API fetches the provider's keys once.
    site.servers.faults().set(Fault::TokenFails);
    assert_read(&browser.get("/protected").await);
    site.servers.stop_provider().await;
    assert_read(&browser.get("/protected").await);
    assert!(is_signed_in(&browser).await);
}

#[tokio::test]
async fn retries_api_once_with_renewed_token() {
    let Refreshing { site, .. } = refreshing(Store::Cookie, refusing_api(false)).await;
    let (browser, _) = site.signed_in(USER).await;
    assert_read(&browser.get("/protected").await);
    assert_eq!(renewals(&site), 1);
    assert_read(&browser.get("/protected").await);
    assert_eq!(renewals(&site), 1);
}

#[tokio::test]
async fn reports_refusal_by_api_after_one_renewal() {
    let Refreshing { site, .. } = refreshing(Store::Cookie, refusing_api(true)).await;
    let (browser, _) = site.signed_in(USER).await;
    let page = browser.get("/protected").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(page.text().contains("Bad credentials"), "{}", page.text());
    assert_eq!(renewals(&site), 1);
    assert!(is_signed_in(&browser).await);
}

/// If the provider has an end-session endpoint, the token is revoked later: some providers end their
/// session with the refresh token, which must not happen before the browser reaches the endpoint.
#[tokio::test]
async fn logout_revokes_refresh_token_in_the_background() {
    let settings = vec![("OIDC_SCOPES", "openid offline_access".to_owned())];
    let site = Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await;
    let (browser, page) = site.signed_in(USER).await;
    browser.submit(&page, "Log Out", &[]).await;
    assert_eq!(site.servers.request_count("revoked"), 0);

    let settings = vec![("OIDC_SCOPES", "openid offline_access".to_owned())];
    let site = Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await;
    site.servers.faults().set(Fault::NoEndSessionEndpoint);
    let (browser, page) = site.signed_in(USER).await;
    browser.submit(&page, "Log Out", &[]).await;
    let start = Instant::now();
    while site.servers.request_count("revoked") == 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "the token is not revoked");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
