use chrono::TimeDelta;
use portico_contracts::{
    Server,
    fakes::{InMemorySite, ManualClock},
    fixtures,
    sessions::{Browser, Cookies, Instance},
};
use portico_domain::{
    model::{LogoutTarget, LogoutToken, RefreshToken, Session},
    ports::{
        LogoutTokenError, MockIdentityProvider, MockReplayGuard, MockSessionRegistry,
        ProviderUnavailable, ReplayGuard, SessionRegistry, SessionsUnavailable,
    },
    use_cases::{BackChannelLogout, BackChannelLogoutError},
};

fn provider(target: LogoutTarget) -> MockIdentityProvider {
    let mut identity = MockIdentityProvider::new();
    let token = LogoutToken { issuer: fixtures::ISSUER.into(), id: "jti".into(), target };
    identity.expect_verify_logout_token().returning(move |_| Ok(token.clone()));
    identity.expect_revoke().return_const(());
    identity
}

async fn run(
    identity: &MockIdentityProvider,
    registry: &dyn SessionRegistry,
    replay_guard: &dyn ReplayGuard,
) -> Result<(), BackChannelLogoutError> {
    let clock = ManualClock::default();
    let logout = BackChannelLogout { identity, registry, replay_guard, clock: &clock };
    logout.run("a token").await
}

async fn logged_in(site: &InMemorySite, sid: &str) -> Box<dyn Browser> {
    let browser = site.browser(Cookies::new()).await;
    let mut session = fixtures::session();
    session.identity.provider_session_id = Some(sid.to_owned());
    browser.start(&session).await.unwrap();
    browser
}

async fn has_session(browser: &dyn Browser) -> bool {
    browser.current().await.unwrap().is_some()
}

#[tokio::test]
async fn ends_named_session_only() {
    let site = InMemorySite::default();
    let (one, other) = (logged_in(&site, "one").await, logged_in(&site, "other").await);
    let subject = Some("user-1".to_owned());
    let identity = provider(LogoutTarget::ProviderSession { sid: "one".into(), subject });
    assert_eq!(run(&identity, &site, &site).await, Ok(()));
    assert!(!has_session(&*one).await);
    assert!(has_session(&*other).await);
}

#[tokio::test]
async fn ends_all_sessions_of_named_user() {
    let site = InMemorySite::default();
    let (one, other) = (logged_in(&site, "one").await, logged_in(&site, "other").await);
    let identity = provider(LogoutTarget::User("user-1".into()));
    assert_eq!(run(&identity, &site, &site).await, Ok(()));
    assert!(!has_session(&*one).await);
    assert!(!has_session(&*other).await);
}

#[tokio::test]
async fn refuses_replayed_token_also_where_nothing_ended() {
    let site = InMemorySite::default();
    let identity = provider(LogoutTarget::User("unknown".into()));
    assert_eq!(run(&identity, &site, &site).await, Ok(()));
    let again = run(&identity, &site, &site).await;
    assert_eq!(again, Err(BackChannelLogoutError::Replayed));
}

#[tokio::test]
async fn invalid_or_unverifiable_token_ends_nothing() {
    for error in [
        LogoutTokenError::Invalid("no jti".into()),
        LogoutTokenError::Unavailable(ProviderUnavailable("down".into())),
    ] {
        let mut identity = MockIdentityProvider::new();
        let refusal = error.clone();
        identity.expect_verify_logout_token().returning(move |_| Err(refusal.clone()));
        let (registry, guard) = (MockSessionRegistry::new(), MockReplayGuard::new());
        assert_eq!(run(&identity, &registry, &guard).await, Err(error.into()));
    }
}

/// The provider sends the same token again when it was not accepted.
#[tokio::test]
async fn token_can_be_used_again_after_store_outage() {
    let mut site = InMemorySite::default();
    let browser = logged_in(&site, "one").await;
    let identity = provider(LogoutTarget::User("user-1".into()));
    let mut failing = MockSessionRegistry::new();
    failing.expect_revoke().returning(|_| Err(SessionsUnavailable("down".into())));
    assert!(run(&identity, &failing, &site).await.is_err());
    site.stop().await;
    assert!(run(&identity, &site, &site).await.is_err());
    site.start_again().await;
    assert!(has_session(&*browser).await);
    assert_eq!(run(&identity, &site, &site).await, Ok(()));
    assert!(!has_session(&*browser).await);
}

#[tokio::test]
async fn revokes_refresh_tokens_of_ended_sessions() {
    let site = InMemorySite::default();
    let browser = site.browser(Cookies::new()).await;
    let mut session: Session = fixtures::session();
    session.identity.tokens.refresh_token = Some(RefreshToken::new("refresh-token"));
    browser.start(&session).await.unwrap();
    let mut identity = MockIdentityProvider::new();
    let target = LogoutTarget::User("user-1".into());
    let token = LogoutToken { issuer: fixtures::ISSUER.into(), id: "jti".into(), target };
    identity.expect_verify_logout_token().return_once(move |_| Ok(token));
    identity
        .expect_revoke()
        .once()
        .withf(|token, delay| token.expose() == "refresh-token" && *delay == TimeDelta::zero())
        .return_const(());
    assert_eq!(run(&identity, &site, &site).await, Ok(()));
}
