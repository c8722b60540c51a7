use chrono::TimeDelta;
use portico_contracts::{
    Server,
    fakes::InMemorySite,
    fixtures,
    sessions::{Instance, Site},
};
use portico_domain::{
    model::{LogoutTarget, LogoutToken, Subject},
    ports::{
        LogoutTokenError, MockIdentityProvider, MockReplayGuard, MockSessionRegistry, ReplayGuard,
        SessionRegistry,
    },
    use_cases::{BackChannelLogout, BackChannelLogoutError},
};
use rstest::rstest;

use crate::support::{
    expect_revocation, is_logged_in, logged_in, provider_outage, session_from, sessions_outage,
};

fn user(subject: &str) -> LogoutTarget {
    LogoutTarget::User(subject.into())
}

fn provider_session(sid: &str, subject: Option<&str>) -> LogoutTarget {
    LogoutTarget::ProviderSession { sid: sid.into(), subject: subject.map(Into::into) }
}

/// Accepts every logout token, as one of this issuer with this target and always the same `jti`.
/// Must not be asked to revoke anything, unless the test expects it.
fn provider_at(issuer: &str, target: LogoutTarget) -> MockIdentityProvider {
    let token = LogoutToken { issuer: issuer.into(), id: "jti".into(), target };
    let mut identity = MockIdentityProvider::new();
    identity.expect_verify_logout_token().returning(move |_| Ok(token.clone()));
    identity
}

fn provider(target: LogoutTarget) -> MockIdentityProvider {
    provider_at(fixtures::ISSUER, target)
}

/// Does not care about revocations.
fn revoking_provider(target: LogoutTarget) -> MockIdentityProvider {
    let mut identity = provider(target);
    identity.expect_revoke().returning(|_, _| ());
    identity
}

async fn run(
    identity: &MockIdentityProvider,
    site: &InMemorySite,
) -> Result<(), BackChannelLogoutError> {
    run_with(identity, &*site.registry(), &*site.replay_guard(), site).await
}

async fn run_with(
    identity: &MockIdentityProvider,
    registry: &dyn SessionRegistry,
    replay_guard: &dyn ReplayGuard,
    site: &InMemorySite,
) -> Result<(), BackChannelLogoutError> {
    let clock = site.clock();
    BackChannelLogout { identity, registry, replay_guard, clock: &*clock }.run("a token").await
}

#[rstest]
#[case::with_subject(Some("user-1"))]
#[case::without_subject(None)]
#[tokio::test]
async fn ends_sessions_of_named_provider_session_only(#[case] subject: Option<&str>) {
    let site = InMemorySite::default();
    let one = logged_in(&site, &session_from("one")).await;
    let other = logged_in(&site, &session_from("other")).await;
    let mut identity = provider(provider_session("one", subject));
    expect_revocation(&mut identity, "one", TimeDelta::zero());
    assert_eq!(run(&identity, &site).await, Ok(()));
    assert!(!is_logged_in(&*one).await);
    assert!(is_logged_in(&*other).await);
}

#[tokio::test]
async fn ends_no_provider_session_of_another_user() {
    let site = InMemorySite::default();
    let one = logged_in(&site, &session_from("one")).await;
    let identity = provider(provider_session("one", Some("user-2")));
    assert_eq!(run(&identity, &site).await, Ok(()));
    assert!(is_logged_in(&*one).await);
}

#[tokio::test]
async fn ends_all_sessions_of_named_user_only() {
    let site = InMemorySite::default();
    let one = logged_in(&site, &session_from("one")).await;
    let other = logged_in(&site, &session_from("other")).await;
    let mut session = session_from("of another user");
    session.identity.subject = Subject::new(fixtures::ISSUER, "user-2");
    let another_user = logged_in(&site, &session).await;

    let mut identity = provider(user("user-1"));
    expect_revocation(&mut identity, "one", TimeDelta::zero());
    expect_revocation(&mut identity, "other", TimeDelta::zero());
    assert_eq!(run(&identity, &site).await, Ok(()));
    assert!(!is_logged_in(&*one).await);
    assert!(!is_logged_in(&*other).await);
    assert!(is_logged_in(&*another_user).await);
}

#[tokio::test]
async fn accepts_token_without_sessions_to_end() {
    assert_eq!(run(&provider(user("nobody")), &InMemorySite::default()).await, Ok(()));
}

#[tokio::test]
async fn refuses_replayed_token() {
    let site = InMemorySite::default();
    let identity = provider(user("user-1"));
    assert_eq!(run(&identity, &site).await, Ok(()));
    let browser = logged_in(&site, &session_from("later")).await;
    assert_eq!(run(&identity, &site).await, Err(BackChannelLogoutError::Replayed));
    assert!(is_logged_in(&*browser).await);
}

/// A token is accepted for ten minutes, give or take the difference between two clocks.
#[tokio::test]
async fn refuses_replayed_token_as_long_as_it_is_valid() {
    let site = InMemorySite::default();
    let identity = provider(user("user-1"));
    assert_eq!(run(&identity, &site).await, Ok(()));
    site.clock().advance(TimeDelta::minutes(12));
    assert_eq!(run(&identity, &site).await, Err(BackChannelLogoutError::Replayed));
}

#[tokio::test]
async fn same_token_id_of_another_issuer_is_no_replay() {
    let site = InMemorySite::default();
    assert_eq!(run(&provider(user("user-1")), &site).await, Ok(()));
    let another = provider_at("https://another.example", user("user-1"));
    assert_eq!(run(&another, &site).await, Ok(()));
}

#[rstest]
#[case::invalid(LogoutTokenError::Invalid("no jti".into()))]
#[case::unavailable(LogoutTokenError::Unavailable(provider_outage()))]
#[tokio::test]
async fn ends_nothing_for_unverified_token(#[case] error: LogoutTokenError) {
    let mut identity = MockIdentityProvider::new();
    let answer = error.clone();
    identity.expect_verify_logout_token().returning(move |_| Err(answer.clone()));
    let (registry, replay_guard) = (MockSessionRegistry::new(), MockReplayGuard::new());
    let refused = run_with(&identity, &registry, &replay_guard, &InMemorySite::default()).await;
    assert_eq!(refused, Err(BackChannelLogoutError::Token(error)));
}

#[tokio::test]
async fn accepts_retry_after_outage() {
    let mut site = InMemorySite::default();
    let browser = logged_in(&site, &session_from("one")).await;
    let identity = revoking_provider(user("user-1"));
    site.stop().await;
    let failed = run(&identity, &site).await;
    assert!(matches!(failed, Err(BackChannelLogoutError::Sessions(_))), "{failed:?}");

    site.start_again().await;
    assert!(is_logged_in(&*browser).await);
    assert_eq!(run(&identity, &site).await, Ok(()));
    assert!(!is_logged_in(&*browser).await);
}

/// The replay guard works while the sessions are out of reach: the token must not count as used.
#[tokio::test]
async fn accepts_retry_after_sessions_could_not_be_ended() {
    let (mut sessions, guards) = (InMemorySite::default(), InMemorySite::default());
    let browser = logged_in(&sessions, &session_from("one")).await;
    let identity = revoking_provider(user("user-1"));
    let (registry, guard) = (sessions.registry(), guards.replay_guard());
    sessions.stop().await;
    let failed = run_with(&identity, &*registry, &*guard, &guards).await;
    assert!(matches!(failed, Err(BackChannelLogoutError::Sessions(_))), "{failed:?}");

    sessions.start_again().await;
    assert_eq!(run_with(&identity, &*registry, &*guard, &guards).await, Ok(()));
    assert!(!is_logged_in(&*browser).await);
    let replay = run_with(&identity, &*registry, &*guard, &guards).await;
    assert_eq!(replay, Err(BackChannelLogoutError::Replayed));
}

#[tokio::test]
async fn ends_nothing_while_replay_guard_is_out_of_reach() {
    let mut guards = InMemorySite::default();
    guards.stop().await;
    let registry = MockSessionRegistry::new();
    let identity = provider(user("user-1"));
    let failed = run_with(&identity, &registry, &*guards.replay_guard(), &guards).await;
    assert!(matches!(failed, Err(BackChannelLogoutError::Sessions(_))), "{failed:?}");
}

#[tokio::test]
async fn reports_use_that_cannot_be_recorded() {
    let site = InMemorySite::default();
    let browser = logged_in(&site, &session_from("one")).await;
    let mut guard = MockReplayGuard::new();
    guard.expect_was_used().returning(|_| Ok(false));
    guard.expect_is_first_use().once().returning(|_, _| Err(sessions_outage()));
    let identity = revoking_provider(user("user-1"));
    let failed = run_with(&identity, &*site.registry(), &guard, &site).await;
    assert_eq!(failed, Err(BackChannelLogoutError::Sessions(sessions_outage())));
    assert!(!is_logged_in(&*browser).await);
}
