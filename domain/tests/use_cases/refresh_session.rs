use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta};
use futures_util::FutureExt;
use portico_contracts::{
    Server,
    fakes::{InMemoryBrowser, InMemoryUsers},
    fixtures,
};
use portico_domain::{
    model::{
        AccessToken, EntryRefusal, EntryRules, Permissions, Profile, RefreshToken, RefreshedTokens,
        Session, SessionChange,
    },
    ports::{
        MockIdentityProvider, MockSessionStore, RefreshError, Renewal, SaveSessionError,
        SessionStore, UserRepository, UsersUnavailable,
    },
    use_cases::{RefreshSession, RefreshSessionError},
};
use rstest::rstest;

use crate::support::{
    expect_revocation, is_logged_in, no_room, session_with_refresh_token, sessions_outage,
};

fn session() -> Session {
    session_with_refresh_token("refresh-token")
}

fn refreshed(access_token: &str, refresh_token: Option<&str>) -> RefreshedTokens {
    let mut tokens = session().tokens().clone();
    tokens.access_token = AccessToken::new(access_token);
    tokens.refresh_token = refresh_token.map(RefreshToken::new);
    RefreshedTokens { tokens, claims: None, permissions: None }
}

fn newer_tokens() -> RefreshedTokens {
    refreshed("newer", Some("newer-refresh-token"))
}

fn newer_session() -> Session {
    session().with(SessionChange::Refreshed(newer_tokens()))
}

/// Must be asked once to renew the tokens of [`session`].
fn provider(answer: Result<RefreshedTokens, RefreshError>) -> MockIdentityProvider {
    let mut identity = MockIdentityProvider::new();
    identity
        .expect_refresh()
        .once()
        .withf(|given| *given == session())
        .returning(move |_| answer.clone());
    identity
}

async fn browser_with(session: &Session) -> InMemoryBrowser {
    let browser = InMemoryBrowser::default();
    browser.start(session).await.unwrap();
    browser
}

async fn run(
    identity: &MockIdentityProvider,
    sessions: &dyn SessionStore,
) -> Result<Session, RefreshSessionError> {
    run_with(identity, &EntryRules::default(), sessions, &session()).await
}

async fn run_with(
    identity: &MockIdentityProvider,
    rules: &EntryRules,
    sessions: &dyn SessionStore,
    stale: &Session,
) -> Result<Session, RefreshSessionError> {
    let users = &InMemoryUsers::default();
    RefreshSession { identity, rules, users, on_unrecorded: &|_| {} }.run(sessions, stale).await
}

#[tokio::test]
async fn returns_and_saves_newer_tokens() {
    let browser = browser_with(&session()).await;
    assert_eq!(run(&provider(Ok(newer_tokens())), &browser).await, Ok(newer_session()));
    assert_eq!(browser.current().await, Ok(Some(newer_session())));
}

#[tokio::test]
async fn saves_rotated_refresh_token_when_the_rest_is_unusable() {
    let browser = browser_with(&session()).await;
    let refresh_token = RefreshToken::new("rotated");
    let error = RefreshError::Incomplete {
        cause: "no access token".into(),
        refresh_token: refresh_token.clone(),
    };
    let refused = run(&provider(Err(error.clone())), &browser).await;
    assert_eq!(refused, Err(RefreshSessionError::Unavailable(error)));
    let current = browser.current().await.unwrap().unwrap();
    assert_eq!(current.tokens().refresh_token, Some(refresh_token));
    assert_eq!(current.tokens().access_token, session().tokens().access_token);
}

#[tokio::test]
async fn renews_again_when_newer_tokens_are_stale() {
    let browser = browser_with(&session()).await;
    run(&provider(Ok(newer_tokens())), &browser).await.unwrap();
    let newest = refreshed("newest", None);
    let expected = newer_session().with(SessionChange::Refreshed(newest.clone()));
    let mut identity = MockIdentityProvider::new();
    identity
        .expect_refresh()
        .once()
        .withf(|given| *given == newer_session())
        .returning(move |_| Ok(newest.clone()));
    let renewed = run_with(&identity, &EntryRules::default(), &browser, &newer_session()).await;
    assert_eq!(renewed, Ok(expected));
}

/// Some providers return the access token that is still valid, with a new refresh token.
#[tokio::test]
async fn accepts_same_access_token_from_provider() {
    let browser = browser_with(&session()).await;
    let access_token = session().tokens().access_token.expose().to_owned();
    let same = refreshed(&access_token, Some("newer-refresh-token"));
    let expected = session().with(SessionChange::Refreshed(same.clone()));
    assert_eq!(run(&provider(Ok(same)), &browser).await, Ok(expected));
}

#[tokio::test]
async fn takes_tokens_that_another_request_renewed() {
    let browser = browser_with(&newer_session()).await;
    for _ in 0..2 {
        assert_eq!(run(&MockIdentityProvider::new(), &browser).await, Ok(newer_session()));
    }
}

/// A store does not call the renewal of a request that has waited for another one.
#[tokio::test]
async fn takes_failure_of_another_request() {
    let mut sessions = MockSessionStore::new();
    sessions.expect_refresh().once().returning(|_, _| Ok(Some(session())));
    let failed = run(&MockIdentityProvider::new(), &sessions).await;
    assert_eq!(failed, Err(RefreshSessionError::FailedElsewhere));
}

#[rstest]
#[case::refused(RefreshError::Refused("invalid_grant".into()))]
#[case::invalid_identity(RefreshError::InvalidIdentity("another sub".into()))]
#[tokio::test]
async fn ends_session_that_provider_does_not_renew(#[case] error: RefreshError) {
    let browser = browser_with(&session()).await;
    let ended = run(&provider(Err(error.clone())), &browser).await;
    assert_eq!(ended, Err(RefreshSessionError::Ended(error.to_string())));
    assert!(!is_logged_in(&browser).await);
}

#[rstest]
#[case::misconfigured(RefreshError::Misconfigured("check OIDC_CLIENT_ID".into()))]
#[case::provider_fault(RefreshError::ProviderFault("500".into()))]
#[case::provider_timeout(RefreshError::ProviderTimeout("10 s".into()))]
#[tokio::test]
async fn keeps_session_when_provider_fails(#[case] error: RefreshError) {
    let browser = browser_with(&session()).await;
    let failed = run(&provider(Err(error.clone())), &browser).await;
    assert_eq!(failed, Err(RefreshSessionError::Unavailable(error)));
    assert_eq!(browser.current().await, Ok(Some(session())));
    // The next request may try again.
    assert_eq!(run(&provider(Ok(newer_tokens())), &browser).await, Ok(newer_session()));
}

/// A provider to which the user's log-out comes in before it answers.
async fn logging_out_meanwhile(
    answer: Result<RefreshedTokens, RefreshError>,
) -> (MockIdentityProvider, Arc<InMemoryBrowser>) {
    let browser = Arc::new(browser_with(&session()).await);
    let another_tab = browser.clone();
    let mut identity = MockIdentityProvider::new();
    identity.expect_refresh().once().returning(move |_| {
        another_tab.end().now_or_never().unwrap().unwrap();
        answer.clone()
    });
    (identity, browser)
}

#[tokio::test]
async fn revokes_new_refresh_token_of_session_that_ended_meanwhile() {
    let (mut identity, browser) = logging_out_meanwhile(Ok(newer_tokens())).await;
    expect_revocation(&mut identity, "newer-refresh-token", TimeDelta::zero());
    let ended = run(&identity, &*browser).await;
    assert!(matches!(ended, Err(RefreshSessionError::Ended(_))), "{ended:?}");
    assert!(!is_logged_in(&*browser).await);
}

#[rstest]
#[case::without_refresh_token(Ok(refreshed("newer", None)))]
#[case::refused(Err(RefreshError::Refused("invalid_grant".into())))]
#[tokio::test]
async fn revives_no_session_that_ended_meanwhile(
    #[case] answer: Result<RefreshedTokens, RefreshError>,
) {
    let (identity, browser) = logging_out_meanwhile(answer).await;
    let ended = run(&identity, &*browser).await;
    assert!(matches!(ended, Err(RefreshSessionError::Ended(_))), "{ended:?}");
    assert!(!is_logged_in(&*browser).await);
}

#[tokio::test]
async fn reports_session_that_ended_while_provider_failed() {
    let mut sessions = MockSessionStore::new();
    sessions.expect_refresh().once().returning(|stale, renewal| {
        assert_eq!(renewal.renew(stale).now_or_never(), Some(Renewal::Unchanged));
        Ok(None)
    });
    let identity = provider(Err(RefreshError::ProviderFault("500".into())));
    let ended = run(&identity, &sessions).await;
    assert!(matches!(ended, Err(RefreshSessionError::Ended(_))), "{ended:?}");
}

#[tokio::test]
async fn renews_no_session_that_ended_before() {
    let ended = run(&MockIdentityProvider::new(), &InMemoryBrowser::default()).await;
    assert!(matches!(ended, Err(RefreshSessionError::Ended(_))), "{ended:?}");
}

#[rstest]
#[case::too_large(no_room())]
#[case::unavailable(sessions_outage().into())]
#[tokio::test]
async fn reports_session_that_cannot_be_saved(#[case] error: SaveSessionError) {
    let mut sessions = MockSessionStore::new();
    let answer = error.clone();
    sessions.expect_refresh().once().returning(move |_, _| Err(answer.clone()));
    let failed = run(&MockIdentityProvider::new(), &sessions).await;
    assert_eq!(failed, Err(RefreshSessionError::Save(error)));
}

#[tokio::test]
async fn ends_session_of_user_who_may_not_log_in_any_more() {
    let browser = browser_with(&session()).await;
    let mut identity = provider(Ok(newer_tokens()));
    identity
        .expect_revoke()
        .once()
        .withf(|token, _| token.expose() == "newer-refresh-token")
        .return_const(());
    let rules = EntryRules { require_verified_email: true, ..EntryRules::default() };
    let refused = run_with(&identity, &rules, &browser, &session()).await;
    assert_eq!(refused, Err(RefreshSessionError::NotAllowed(EntryRefusal::UnverifiedEmail)));
    assert!(!is_logged_in(&browser).await);
}

/// Refreshes the session with these permissions, and returns what of the user is recorded afterwards
/// and what could not be recorded.
async fn refresh_permissions(
    to: Permissions,
    users: &InMemoryUsers,
) -> (Option<Permissions>, Vec<UsersUnavailable>) {
    let browser = browser_with(&session()).await;
    let newer = RefreshedTokens { permissions: Some(to.clone()), ..newer_tokens() };
    let identity = provider(Ok(newer));
    let failures: Mutex<Vec<UsersUnavailable>> = Mutex::default();
    let refresh = RefreshSession {
        identity: &identity,
        rules: &EntryRules::default(),
        users,
        on_unrecorded: &|cause| failures.lock().unwrap().push(cause.clone()),
    };
    let renewed = refresh.run(&browser, &session()).await.unwrap();
    assert_eq!(renewed.identity.permissions, to);
    let recorded = users.find(&fixtures::subject()).await.ok().flatten();
    (recorded.and_then(|user| user.permissions), failures.into_inner().unwrap())
}

#[tokio::test]
async fn records_changed_permissions() {
    let users = InMemoryUsers::default();
    let subject = fixtures::subject();
    users.record_login(&subject, &Profile::default(), DateTime::UNIX_EPOCH).await.unwrap();
    let unchanged = refresh_permissions(fixtures::permissions(), &users).await;
    assert_eq!(unchanged, (None, Vec::new()), "unchanged ones cost no write");
    let none = Permissions::default();
    assert_eq!(refresh_permissions(none.clone(), &users).await, (Some(none), Vec::new()));
}

#[tokio::test]
async fn keeps_session_when_permissions_cannot_be_recorded() {
    let mut users = Arc::new(InMemoryUsers::default());
    users.stop().await;
    let (recorded, failures) = refresh_permissions(Permissions::default(), &users).await;
    assert_eq!((recorded, failures.len()), (None, 1));
}
