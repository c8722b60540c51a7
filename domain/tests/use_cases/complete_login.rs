mod error_responses;

use std::sync::Arc;

use chrono::TimeDelta;
use portico_contracts::{
    Server,
    fakes::{CountingRandomness, InMemoryBrowser, InMemoryUsers, ManualClock},
    fixtures,
};
use portico_domain::{
    model::{
        AuthorizationCode, AuthorizationResponse, Callback, EntryRefusal, EntryRules, LoginAttempt,
        LoginLoopGuard, NextPage, RefreshToken, Session, SessionId, State,
    },
    ports::{
        Clock, IdentityProvider, LoginAttempts, MockIdentityProvider, MockLoginAttempts,
        MockSessionStore, MockUserRepository, RedeemError, SaveSessionError, SessionStore,
        UserRepository, UsersUnavailable,
    },
    use_cases::{CompleteLogin, LoginError},
};
use rstest::rstest;

use crate::support::{
    is_logged_in, no_randomness, no_room, randomness_outage, sessions_outage, users_outage,
};

const DEVICE: &str = "Firefox on Linux";

fn state() -> State {
    State::new("state")
}

fn attempt(clock: &ManualClock) -> LoginAttempt {
    LoginAttempt { started_at: clock.now(), ..fixtures::attempt("state", "/protected?a=b") }
}

fn callback_with_code() -> Callback {
    let response = AuthorizationResponse { code: AuthorizationCode::new("code"), issuer: None };
    Callback { state: state(), outcome: Ok(response) }
}

/// Accepts one code.
fn provider() -> MockIdentityProvider {
    let mut identity = MockIdentityProvider::new();
    identity.expect_redeem().once().returning(|_, _| Ok(fixtures::identity()));
    identity
}

/// A browser that began a log-in, and a site with no users.
struct Setup {
    rules: EntryRules,
    clock: ManualClock,
    users: Arc<InMemoryUsers>,
    browser: InMemoryBrowser,
}

impl Setup {
    async fn new() -> Self {
        let (clock, browser) = (ManualClock::default(), InMemoryBrowser::default());
        clock.advance(TimeDelta::hours(1));
        browser.remember(&attempt(&clock)).await.unwrap();
        Self { rules: EntryRules::default(), clock, users: Arc::default(), browser }
    }

    async fn logged_in() -> Self {
        let setup = Self::new().await;
        setup.browser.start(&fixtures::session_at(setup.clock.now())).await.unwrap();
        setup
    }

    async fn run(
        &self,
        identity: &dyn IdentityProvider,
        callback: Callback,
    ) -> Result<NextPage, LoginError> {
        self.run_with_users(identity, &*self.users, callback).await
    }

    async fn run_with_users(
        &self,
        identity: &dyn IdentityProvider,
        users: &dyn UserRepository,
        callback: Callback,
    ) -> Result<NextPage, LoginError> {
        let (clock, randomness) = (&self.clock, &CountingRandomness::default());
        let login = CompleteLogin { identity, users, clock, randomness, rules: &self.rules };
        let done = login.run(&self.browser, &self.browser, callback, DEVICE).await;
        done.map_err(|failed| failed.cause)
    }

    async fn has_attempt(&self) -> bool {
        self.browser.take(&state()).await.unwrap().is_some()
    }
}

#[tokio::test]
async fn logs_visitor_in_and_leads_to_requested_page() {
    let setup = Setup::new().await;
    let mut identity = MockIdentityProvider::new();
    identity
        .expect_redeem()
        .once()
        .withf(|response, attempt| {
            response.code.expose() == "code" && attempt.state.expose() == "state"
        })
        .returning(|_, _| Ok(fixtures::identity()));
    setup.clock.advance(TimeDelta::seconds(5));

    let next = setup.run(&identity, callback_with_code()).await.unwrap();
    assert_eq!(next.as_str(), "/protected?a=b");
    let now = setup.clock.now();
    let session = setup.browser.current().await.unwrap().unwrap();
    assert_eq!(session, Session::new(SessionId::new([0; 32]), DEVICE, fixtures::identity(), now));
    let user = setup.users.find(&fixtures::subject()).await.unwrap().unwrap();
    assert_eq!((user.logins, user.last_login), (1, now));
    assert_eq!(user.profile, fixtures::identity().profile());
    assert_eq!(user.permissions, Some(fixtures::permissions()));
}

#[tokio::test]
async fn records_success_in_loop_guard() {
    let setup = Setup::new().await;
    let mut guard = LoginLoopGuard::default();
    guard.record_success(setup.clock.now());
    guard.record_return(setup.clock.now());
    setup.browser.set_loop_guard(&guard).await;
    setup.clock.advance(TimeDelta::seconds(5));

    setup.run(&provider(), callback_with_code()).await.unwrap();
    guard.record_success(setup.clock.now());
    assert_eq!(setup.browser.loop_guard().await, guard);
}

#[tokio::test]
async fn replaces_earlier_session() {
    let setup = Setup::logged_in().await;
    setup.run(&provider(), callback_with_code()).await.unwrap();
    let session = setup.browser.current().await.unwrap().unwrap();
    assert_eq!(session.id, SessionId::new([0; 32]));
}

#[tokio::test]
async fn refuses_unknown_state_and_leaves_other_attempts() {
    let setup = Setup::new().await;
    let callback = Callback { state: State::new("another"), ..callback_with_code() };
    let refused = setup.run(&MockIdentityProvider::new(), callback).await;
    assert_eq!(refused, Err(LoginError::NoAttempt));
    assert!(!is_logged_in(&setup.browser).await);
    assert!(setup.run(&provider(), callback_with_code()).await.is_ok());
}

#[tokio::test]
async fn refuses_replayed_state() {
    let setup = Setup::new().await;
    setup.run(&provider(), callback_with_code()).await.unwrap();
    setup.browser.end().await.unwrap();
    let replay = setup.run(&MockIdentityProvider::new(), callback_with_code()).await;
    assert_eq!(replay, Err(LoginError::NoAttempt));
    assert!(!is_logged_in(&setup.browser).await);
}

#[tokio::test]
async fn refuses_expired_attempt() {
    let setup = Setup::new().await;
    setup.clock.advance(LoginAttempt::LIFETIME);
    let refused = setup.run(&MockIdentityProvider::new(), callback_with_code()).await;
    assert_eq!(refused, Err(LoginError::Expired));
    assert!(!is_logged_in(&setup.browser).await);
    assert!(!setup.has_attempt().await);
}

#[tokio::test]
async fn repeated_callback_of_logged_in_visitor_leads_to_profile() {
    let setup = Setup::new().await;
    setup.run(&provider(), callback_with_code()).await.unwrap();
    let session = setup.browser.current().await;
    let again = setup.run(&MockIdentityProvider::new(), callback_with_code()).await;
    assert_eq!(again, Ok(NextPage::profile()));
    assert_eq!(setup.browser.current().await, session);
}

#[tokio::test]
async fn expired_callback_of_logged_in_visitor_leads_to_profile() {
    let setup = Setup::logged_in().await;
    setup.clock.advance(LoginAttempt::LIFETIME);
    let late = setup.run(&MockIdentityProvider::new(), callback_with_code()).await;
    assert_eq!(late, Ok(NextPage::profile()));
}

#[rstest]
#[case::wrong_issuer(RedeemError::WrongIssuer("https://evil.example".into()))]
#[case::missing_issuer(RedeemError::MissingIssuer)]
#[case::code_rejected(RedeemError::CodeRejected("invalid_grant".into()))]
#[case::wrong_nonce(RedeemError::WrongNonce)]
#[case::invalid_identity(RedeemError::InvalidIdentity("bad signature".into()))]
#[case::misconfigured(RedeemError::Misconfigured("check OIDC_CLIENT_ID".into()))]
#[case::provider_fault(RedeemError::ProviderFault("500".into()))]
#[case::provider_timeout(RedeemError::ProviderTimeout("10 s".into()))]
#[tokio::test]
async fn starts_no_session_when_code_is_not_redeemed(#[case] error: RedeemError) {
    let setup = Setup::new().await;
    let mut identity = MockIdentityProvider::new();
    let answer = error.clone();
    identity.expect_redeem().once().returning(move |_, _| Err(answer.clone()));
    let failed = setup.run(&identity, callback_with_code()).await;
    assert_eq!(failed, Err(LoginError::Redeem(error)));
    assert!(!is_logged_in(&setup.browser).await);
    assert_eq!(setup.users.find(&fixtures::subject()).await, Ok(None));
    assert!(!setup.has_attempt().await);
    assert!(setup.browser.loop_guard().await.is_empty());
}

#[tokio::test]
async fn failed_login_leaves_earlier_session() {
    let setup = Setup::logged_in().await;
    let session = setup.browser.current().await;
    let mut identity = MockIdentityProvider::new();
    identity.expect_redeem().returning(|_, _| Err(RedeemError::WrongNonce));
    let failed = setup.run(&identity, callback_with_code()).await;
    assert_eq!(failed, Err(LoginError::Redeem(RedeemError::WrongNonce)));
    assert_eq!(setup.browser.current().await, session);
}

#[tokio::test]
async fn outage_of_user_storage_leaves_attempt_and_code_unspent() {
    let mut setup = Setup::new().await;
    setup.users.stop().await;
    let failed = setup.run(&MockIdentityProvider::new(), callback_with_code()).await;
    assert!(matches!(failed, Err(LoginError::Users(UsersUnavailable(_)))), "{failed:?}");
    assert!(!is_logged_in(&setup.browser).await);

    setup.users.start_again().await;
    assert!(setup.run(&provider(), callback_with_code()).await.is_ok());
    assert!(is_logged_in(&setup.browser).await);
}

#[tokio::test]
async fn starts_no_session_when_login_cannot_be_recorded() {
    let setup = Setup::new().await;
    let mut users = MockUserRepository::new();
    users.expect_check().returning(|| Ok(()));
    users.expect_record_login().once().returning(|_, _, _| Err(users_outage()));
    let failed = setup.run_with_users(&provider(), &users, callback_with_code()).await;
    assert_eq!(failed, Err(LoginError::Users(users_outage())));
    assert!(!is_logged_in(&setup.browser).await);
    assert!(setup.browser.loop_guard().await.is_empty());
}

#[tokio::test]
async fn failed_login_names_the_wanted_page() {
    for is_expired in [false, true] {
        let setup = Setup::new().await;
        if is_expired {
            setup.clock.advance(TimeDelta::minutes(11));
        }
        let mut identity = MockIdentityProvider::new();
        identity.expect_redeem().returning(|_, _| Err(RedeemError::WrongNonce));
        let login = CompleteLogin {
            identity: &identity,
            users: &*setup.users,
            clock: &setup.clock,
            randomness: &CountingRandomness::default(),
            rules: &setup.rules,
        };
        let run = || login.run(&setup.browser, &setup.browser, callback_with_code(), DEVICE);
        let failed = run().await.unwrap_err();
        let expected =
            if is_expired { LoginError::Expired } else { RedeemError::WrongNonce.into() };
        assert_eq!(failed.cause, expected);
        assert_eq!(failed.next, Some(attempt(&setup.clock).next));
        // The attempt is used: nothing tells the page any more.
        let unknown = run().await.unwrap_err();
        assert_eq!((unknown.cause, unknown.next), (LoginError::NoAttempt, None));
    }
}

#[tokio::test]
async fn starts_no_session_without_randomness() {
    let Setup { clock, users, browser, .. } = Setup::new().await;
    let (identity, randomness) = (provider(), no_randomness());
    let login = CompleteLogin {
        identity: &identity,
        users: &*users,
        clock: &clock,
        randomness: &randomness,
        rules: &EntryRules::default(),
    };
    let failed = login.run(&browser, &browser, callback_with_code(), DEVICE).await;
    assert_eq!(failed.unwrap_err().cause, LoginError::Randomness(randomness_outage()));
    assert!(!is_logged_in(&browser).await);
}

/// Runs with stores of which some call fails.
async fn run_with_mocks(
    identity: &MockIdentityProvider,
    sessions: &MockSessionStore,
    attempts: &MockLoginAttempts,
) -> Result<NextPage, LoginError> {
    let (users, clock) = (InMemoryUsers::default(), ManualClock::default());
    let randomness = CountingRandomness::default();
    let login = CompleteLogin {
        identity,
        users: &users,
        clock: &clock,
        randomness: &randomness,
        rules: &EntryRules::default(),
    };
    let done = login.run(sessions, attempts, callback_with_code(), DEVICE).await;
    done.map_err(|failed| failed.cause)
}

#[tokio::test]
async fn spends_no_code_when_attempt_cannot_be_taken() {
    let mut attempts = MockLoginAttempts::new();
    attempts.expect_take().returning(|_| Err(sessions_outage()));
    let (identity, sessions) = (MockIdentityProvider::new(), MockSessionStore::new());
    let failed = run_with_mocks(&identity, &sessions, &attempts).await;
    assert_eq!(failed, Err(LoginError::Sessions(sessions_outage())));
}

#[tokio::test]
async fn reports_session_that_cannot_be_read() {
    let mut attempts = MockLoginAttempts::new();
    attempts.expect_take().returning(|_| Ok(None));
    let mut sessions = MockSessionStore::new();
    sessions.expect_current().returning(|| Err(sessions_outage()));
    let failed = run_with_mocks(&MockIdentityProvider::new(), &sessions, &attempts).await;
    assert_eq!(failed, Err(LoginError::Sessions(sessions_outage())));
}

#[rstest]
#[case::too_large(no_room())]
#[case::unavailable(sessions_outage().into())]
#[tokio::test]
async fn records_no_success_when_session_cannot_be_saved(#[case] error: SaveSessionError) {
    let mut attempts = MockLoginAttempts::new();
    attempts.expect_take().returning(|_| Ok(Some(attempt(&ManualClock::default()))));
    let mut sessions = MockSessionStore::new();
    let answer = error.clone();
    sessions.expect_start().once().returning(move |_| Err(answer.clone()));
    let failed = run_with_mocks(&provider(), &sessions, &attempts).await;
    assert_eq!(failed, Err(LoginError::Save(error)));
}

#[tokio::test]
async fn stores_nothing_of_user_who_may_not_log_in() {
    let mut setup = Setup::new().await;
    setup.rules.require_verified_email = true;
    let mut identity = MockIdentityProvider::new();
    identity.expect_redeem().once().returning(|_, _| {
        let mut identity = fixtures::identity();
        identity.tokens.refresh_token = Some(RefreshToken::new("refresh-token"));
        Ok(identity)
    });
    identity
        .expect_revoke()
        .once()
        .withf(|token, _| token.expose() == "refresh-token")
        .return_const(());
    let refused = setup.run(&identity, callback_with_code()).await;
    assert_eq!(refused, Err(LoginError::NotAllowed(EntryRefusal::UnverifiedEmail)));
    assert!(!is_logged_in(&setup.browser).await);
    assert_eq!(setup.users.find(&fixtures::subject()).await, Ok(None));
}
