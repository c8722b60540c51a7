use portico_contracts::sessions::Instance;
use portico_contracts::{
    fakes::InMemorySite,
    fixtures,
    sessions::{Cookies, Visitor},
};
use portico_domain::{
    model::{LogoutTarget, LogoutToken, Session},
    ports::{
        LogoutTokenError, MockIdentityProvider, MockSessionRegistry, ProviderUnavailable,
        SessionRegistry, SessionStore, SessionsUnavailable,
    },
    use_cases::{BackChannelLogout, BackChannelLogoutError},
};
use std::sync::Arc;

fn saying(target: LogoutTarget) -> MockIdentityProvider {
    let mut identity = MockIdentityProvider::new();
    let token = LogoutToken { issuer: fixtures::ISSUER.into(), id: "jti".into(), target };
    identity.expect_verify_logout_token().returning(move |_| Ok(token.clone()));
    identity
}

async fn run(
    identity: &MockIdentityProvider,
    registry: &dyn SessionRegistry,
) -> Result<(), BackChannelLogoutError> {
    let clock = portico_contracts::fakes::ManualClock::default();
    BackChannelLogout { identity, registry, clock: &clock }.run("a token").await
}

async fn signed_in(site: &InMemorySite, provider_session_id: &str) -> Box<dyn Visitor> {
    let visitor = site.visitor(Cookies::new()).await;
    let provider_session_id = Some(provider_session_id.to_owned());
    visitor.start(&Session { provider_session_id, ..fixtures::session() }).await.unwrap();
    visitor
}

async fn is_there(visitor: &dyn SessionStore) -> bool {
    visitor.current().await.unwrap().is_some()
}

#[tokio::test]
async fn a_named_session_ends_and_no_other_of_that_person() {
    let site = InMemorySite::default();
    let (one, other) = (signed_in(&site, "one").await, signed_in(&site, "other").await);
    let subject = Some("user-1".to_owned());
    let identity = saying(LogoutTarget::ProviderSession { sid: "one".into(), subject });
    assert_eq!(run(&identity, &*site.registry()).await, Ok(()));
    assert!(!is_there(&*one).await);
    assert!(is_there(&*other).await);
}

#[tokio::test]
async fn all_sessions_of_a_named_person_end() {
    let site = InMemorySite::default();
    let (one, other) = (signed_in(&site, "one").await, signed_in(&site, "other").await);
    let identity = saying(LogoutTarget::Person("user-1".into()));
    assert_eq!(run(&identity, &*site.registry()).await, Ok(()));
    assert!(!is_there(&*one).await);
    assert!(!is_there(&*other).await);
}

#[tokio::test]
async fn nobody_to_end_is_no_error_but_a_token_is_good_once() {
    let registry: Arc<dyn SessionRegistry> = InMemorySite::default().registry();
    let identity = saying(LogoutTarget::Person("nobody".into()));
    assert_eq!(run(&identity, &*registry).await, Ok(()));
    assert_eq!(run(&identity, &*registry).await, Err(BackChannelLogoutError::Replayed));
}

#[tokio::test]
async fn what_cannot_be_verified_ends_nothing() {
    for error in [
        LogoutTokenError::Invalid("no jti".into()),
        LogoutTokenError::Unavailable(ProviderUnavailable("away".into())),
    ] {
        let mut identity = MockIdentityProvider::new();
        let refusal = error.clone();
        identity.expect_verify_logout_token().returning(move |_| Err(refusal.clone()));
        // A registry that expects nothing.
        let done = run(&identity, &MockSessionRegistry::new()).await;
        assert_eq!(done, Err(error.into()));
    }
}

#[tokio::test]
async fn a_store_that_is_down_is_said_so() {
    let mut registry = MockSessionRegistry::new();
    let down = || SessionsUnavailable("down".into());
    registry.expect_first_use().returning(move |_, _| Err(down()));
    let done = run(&saying(LogoutTarget::Person("user-1".into())), &registry).await;
    assert_eq!(done, Err(down().into()));
}
