use chrono::TimeDelta;
use portico_contracts::{
    Server,
    fakes::InMemorySite,
    fixtures::ISSUER,
    sessions::{Browser, Cookies, Instance},
};
use portico_domain::{
    ports::{
        MockIdentityProvider, MockSessionRegistry, MockSessionStore, RedeemError, SessionStore,
    },
    use_cases::{FrontChannelLogout, FrontChannelLogoutError},
};
use rstest::rstest;

use crate::support::{expect_revocation, is_logged_in, logged_in, session_from};

/// Accepts [`ISSUER`] only. Must not be asked to revoke anything, unless the test expects it.
fn provider() -> MockIdentityProvider {
    let mut identity = MockIdentityProvider::new();
    identity.expect_verify_issuer().returning(|issuer| match issuer.as_deref() {
        Some(ISSUER) => Ok(()),
        _ => Err(RedeemError::WrongIssuer(format!("{issuer:?}"))),
    });
    identity
}

fn provider_revoking(token: &str) -> MockIdentityProvider {
    let mut identity = provider();
    expect_revocation(&mut identity, token, TimeDelta::zero());
    identity
}

async fn run(
    identity: &MockIdentityProvider,
    site: &InMemorySite,
    browser: &dyn Browser,
    issuer: &str,
    sid: &str,
) -> Result<(), FrontChannelLogoutError> {
    let (sessions, registry): (&dyn SessionStore, _) = (browser, site.registry());
    FrontChannelLogout { identity, sessions, registry: &*registry }.run(issuer, sid).await
}

#[tokio::test]
async fn ends_session_of_browser_and_no_other() {
    let site = InMemorySite::default();
    let one = logged_in(&site, &session_from("one")).await;
    let other = logged_in(&site, &session_from("other")).await;
    assert_eq!(run(&provider_revoking("one"), &site, &*one, ISSUER, "one").await, Ok(()));
    assert!(!is_logged_in(&*one).await);
    assert!(is_logged_in(&*other).await);
}

/// Browsers send no cookies into the provider's frame.
#[tokio::test]
async fn ends_session_without_its_cookies() {
    let site = InMemorySite::default();
    let one = logged_in(&site, &session_from("one")).await;
    let frame = site.browser(Cookies::new()).await;
    assert_eq!(run(&provider_revoking("one"), &site, &*frame, ISSUER, "one").await, Ok(()));
    assert!(!is_logged_in(&*one).await);
}

/// The registry of a store that keeps sessions in cookies has no tokens.
#[tokio::test]
async fn ends_session_that_only_its_browser_has() {
    let mut sessions = MockSessionStore::new();
    sessions.expect_current().returning(|| Ok(Some(session_from("one"))));
    sessions.expect_end().once().returning(|| Ok(()));
    let mut registry = MockSessionRegistry::new();
    registry.expect_revoke().once().returning(|_| Ok(Vec::new()));
    let identity = provider_revoking("one");
    let logout =
        FrontChannelLogout { identity: &identity, sessions: &sessions, registry: &registry };
    assert_eq!(logout.run(ISSUER, "one").await, Ok(()));
}

#[tokio::test]
async fn ends_nothing_for_unknown_provider_session() {
    let site = InMemorySite::default();
    let one = logged_in(&site, &session_from("one")).await;
    assert_eq!(run(&provider(), &site, &*one, ISSUER, "another").await, Ok(()));
    assert!(is_logged_in(&*one).await);
}

#[rstest]
#[case::wrong_issuer(RedeemError::WrongIssuer("https://evil.example".into()))]
#[case::provider_timeout(RedeemError::ProviderTimeout("10 s".into()))]
#[tokio::test]
async fn ends_nothing_for_unverified_issuer(#[case] error: RedeemError) {
    let site = InMemorySite::default();
    let one = logged_in(&site, &session_from("one")).await;
    let mut identity = MockIdentityProvider::new();
    let answer = error.clone();
    identity
        .expect_verify_issuer()
        .once()
        .withf(|issuer| issuer.as_deref() == Some("https://evil.example"))
        .returning(move |_| Err(answer.clone()));
    let refused = run(&identity, &site, &*one, "https://evil.example", "one").await;
    assert_eq!(refused, Err(FrontChannelLogoutError::Issuer(error)));
    assert!(is_logged_in(&*one).await);
}

#[tokio::test]
async fn reports_store_outage() {
    let mut site = InMemorySite::default();
    let one = logged_in(&site, &session_from("one")).await;
    site.stop().await;
    let failed = run(&provider(), &site, &*one, ISSUER, "one").await;
    assert!(matches!(failed, Err(FrontChannelLogoutError::Sessions(_))), "{failed:?}");
    site.start_again().await;
    assert!(is_logged_in(&*one).await);
}
