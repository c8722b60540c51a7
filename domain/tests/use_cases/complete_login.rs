use chrono::TimeDelta;
use portico_contracts::{
    fakes::{CountingRandomness, InMemoryBrowser, ManualClock},
    fixtures,
};
use portico_domain::{
    model::{
        AuthorizationCode, AuthorizationResponse, Callback, LoginAttempt, NextPage,
        ProviderRefusal, Session, SessionId, State,
    },
    ports::{
        Clock, LoginAttempts, MockIdentityProvider, MockLoginAttempts, MockSessionStore,
        MockUserRepository, RedeemError, SaveSessionError, SessionStore, SessionsUnavailable,
        UsersUnavailable,
    },
    use_cases::{CompleteLogin, LoginError},
};

fn code() -> Callback {
    Callback {
        state: State::new("state"),
        outcome: Ok(AuthorizationResponse { code: AuthorizationCode::new("code"), issuer: None }),
    }
}

fn provider() -> MockIdentityProvider {
    let mut identity = MockIdentityProvider::new();
    identity.expect_redeem().returning(|_, _| Ok(fixtures::identity()));
    identity
}

/// A repository that answers, and expects no log-in.
fn idle_users() -> MockUserRepository {
    let mut users = MockUserRepository::new();
    users.expect_check().returning(|| Ok(()));
    users
}

fn users() -> MockUserRepository {
    let mut users = idle_users();
    users.expect_record_login().returning(|_, _, _| Ok(fixtures::user()));
    users
}

fn attempt_at(clock: &ManualClock) -> LoginAttempt {
    LoginAttempt { started_at: clock.now(), ..fixtures::attempt("state", "/protected?a=b") }
}

async fn browser_with_attempt(clock: &ManualClock) -> InMemoryBrowser {
    let browser = InMemoryBrowser::default();
    browser.remember(&attempt_at(clock)).await.unwrap();
    browser
}

async fn run(
    identity: MockIdentityProvider,
    users: MockUserRepository,
    clock: &ManualClock,
    sessions: &dyn SessionStore,
    attempts: &dyn LoginAttempts,
    callback: Callback,
) -> Result<NextPage, LoginError> {
    let randomness = CountingRandomness::default();
    let login =
        CompleteLogin { identity: &identity, users: &users, clock, randomness: &randomness };
    login.run(sessions, attempts, callback, "Firefox on Linux").await
}

async fn complete(
    identity: MockIdentityProvider,
    users: MockUserRepository,
    clock: &ManualClock,
    browser: &InMemoryBrowser,
    callback: Callback,
) -> Result<NextPage, LoginError> {
    run(identity, users, clock, browser, browser, callback).await
}

#[tokio::test]
async fn good_code_starts_session_and_leads_to_the_page() {
    let clock = ManualClock::default();
    let browser = browser_with_attempt(&clock).await;
    let mut identity = MockIdentityProvider::new();
    identity
        .expect_redeem()
        .once()
        .withf(|response, attempt| {
            response.code.expose() == "code" && attempt.state.expose() == "state"
        })
        .returning(|_, _| Ok(fixtures::identity()));
    let mut users = idle_users();
    let now = clock.now();
    users
        .expect_record_login()
        .once()
        .withf(move |subject, profile, at| {
            *subject == fixtures::subject()
                && *profile == fixtures::identity().profile()
                && *at == now
        })
        .returning(|_, _, _| Ok(fixtures::user()));

    let next = complete(identity, users, &clock, &browser, code()).await.unwrap();
    assert_eq!(next.as_str(), "/protected?a=b");
    let session = browser.current().await.unwrap().unwrap();
    let id = SessionId::new([0; 32]);
    assert_eq!(session, Session { id, ..fixtures::session_at(now) });
    assert!(!browser.loop_guard().await.is_empty(), "the success is recorded");
}

#[tokio::test]
async fn refuses_unknown_state_and_keeps_other_attempts() {
    let clock = ManualClock::default();
    let browser = browser_with_attempt(&clock).await;
    let callback = Callback { state: State::new("another"), ..code() };
    let next = complete(provider(), users(), &clock, &browser, callback).await;
    assert_eq!(next, Err(LoginError::NoAttempt));
    assert_eq!(browser.current().await, Ok(None));
    assert!(complete(provider(), users(), &clock, &browser, code()).await.is_ok());
}

#[tokio::test]
async fn refuses_replayed_state() {
    let clock = ManualClock::default();
    let browser = browser_with_attempt(&clock).await;
    complete(provider(), users(), &clock, &browser, code()).await.unwrap();
    browser.end().await.unwrap();
    let replay = complete(MockIdentityProvider::new(), idle_users(), &clock, &browser, code());
    assert_eq!(replay.await, Err(LoginError::NoAttempt));
    assert_eq!(browser.current().await, Ok(None));
}

#[tokio::test]
async fn repeated_callback_of_logged_in_visitor_leads_to_profile() {
    let clock = ManualClock::default();
    let browser = browser_with_attempt(&clock).await;
    complete(provider(), users(), &clock, &browser, code()).await.unwrap();
    let again = complete(MockIdentityProvider::new(), idle_users(), &clock, &browser, code());
    assert_eq!(again.await, Ok(NextPage::profile()));
}

#[tokio::test]
async fn refuses_expired_attempt() {
    let clock = ManualClock::default();
    let browser = browser_with_attempt(&clock).await;
    clock.advance(TimeDelta::minutes(10));
    let late = complete(MockIdentityProvider::new(), idle_users(), &clock, &browser, code());
    assert_eq!(late.await, Err(LoginError::Expired));
    assert_eq!(browser.current().await, Ok(None));
}

#[tokio::test]
async fn error_response_uses_up_the_attempt() {
    let clock = ManualClock::default();
    let browser = browser_with_attempt(&clock).await;
    let refusal = ProviderRefusal {
        error: "access_denied".into(),
        description: Some("no".into()),
        issuer: None,
    };
    let callback = Callback { outcome: Err(refusal.clone()), ..code() };
    let mut identity = MockIdentityProvider::new();
    identity.expect_verify_issuer().once().returning(|_| Ok(()));
    let next = complete(identity, idle_users(), &clock, &browser, callback);
    assert_eq!(next.await, Err(LoginError::Refused(refusal)));
    assert_eq!(browser.take(&State::new("state")).await, Ok(None));
}

#[tokio::test]
async fn refuses_error_response_of_another_issuer() {
    let clock = ManualClock::default();
    let browser = browser_with_attempt(&clock).await;
    let issuer = Some("https://evil.example".to_owned());
    let refusal = ProviderRefusal {
        error: "access_denied".into(),
        description: None,
        issuer: issuer.clone(),
    };
    let callback = Callback { outcome: Err(refusal), ..code() };
    let error = RedeemError::WrongIssuer("evil".into());
    let answer = error.clone();
    let mut identity = MockIdentityProvider::new();
    identity
        .expect_verify_issuer()
        .withf(move |named| *named == issuer)
        .returning(move |_| Err(answer.clone()));
    let next = complete(identity, idle_users(), &clock, &browser, callback);
    assert_eq!(next.await, Err(LoginError::Redeem(error)));
}

#[tokio::test]
async fn starts_no_session_when_code_cannot_be_redeemed() {
    for error in [
        RedeemError::WrongIssuer("https://evil.example".into()),
        RedeemError::CodeRejected("invalid_grant".into()),
        RedeemError::WrongNonce,
        RedeemError::InvalidIdentity("bad signature".into()),
        RedeemError::ProviderFault("500".into()),
        RedeemError::ProviderTimeout("10 s".into()),
    ] {
        let clock = ManualClock::default();
        let browser = browser_with_attempt(&clock).await;
        let mut identity = MockIdentityProvider::new();
        let answer = error.clone();
        identity.expect_redeem().returning(move |_, _| Err(answer.clone()));
        let next = complete(identity, idle_users(), &clock, &browser, code()).await;
        assert_eq!(next, Err(LoginError::Redeem(error)));
        assert_eq!(browser.current().await, Ok(None));
        assert!(browser.loop_guard().await.is_empty(), "nothing succeeded");
    }
}

#[tokio::test]
async fn user_storage_outage_spends_neither_attempt_nor_code() {
    let clock = ManualClock::default();
    let browser = browser_with_attempt(&clock).await;
    let mut users = MockUserRepository::new();
    let down = UsersUnavailable("disk full".into());
    let answer = down.clone();
    users.expect_check().returning(move || Err(answer.clone()));
    let next = complete(MockIdentityProvider::new(), users, &clock, &browser, code()).await;
    assert_eq!(next, Err(LoginError::Users(down)));
    assert!(complete(provider(), self::users(), &clock, &browser, code()).await.is_ok());
}

#[tokio::test]
async fn starts_no_session_when_login_cannot_be_recorded() {
    let clock = ManualClock::default();
    let browser = browser_with_attempt(&clock).await;
    let mut users = idle_users();
    let down = UsersUnavailable("disk full".into());
    let answer = down.clone();
    users.expect_record_login().returning(move |_, _, _| Err(answer.clone()));
    let next = complete(provider(), users, &clock, &browser, code()).await;
    assert_eq!(next, Err(LoginError::Users(down)));
    assert_eq!(browser.current().await, Ok(None));
}

#[tokio::test]
async fn reports_store_outage_at_every_step() {
    let clock = ManualClock::default();
    let down = || SessionsUnavailable("gone".into());

    let mut attempts = MockLoginAttempts::new();
    attempts.expect_take().returning(move |_| Err(down()));
    let sessions = MockSessionStore::new();
    let next = run(provider(), users(), &clock, &sessions, &attempts, code()).await;
    assert_eq!(next, Err(LoginError::Sessions(down())));

    let mut attempts = MockLoginAttempts::new();
    attempts.expect_take().returning(|_| Ok(None));
    let mut sessions = MockSessionStore::new();
    sessions.expect_current().returning(move || Err(down()));
    let next = run(provider(), users(), &clock, &sessions, &attempts, code()).await;
    assert_eq!(next, Err(LoginError::Sessions(down())));
}

#[tokio::test]
async fn tells_too_large_session_from_store_outage() {
    let clock = ManualClock::default();
    for error in [
        SaveSessionError::TooLarge { bytes: 50_000, max_bytes: 31_000 },
        SaveSessionError::Unavailable(SessionsUnavailable("gone".into())),
    ] {
        let browser = browser_with_attempt(&clock).await;
        let mut sessions = MockSessionStore::new();
        let answer = error.clone();
        sessions.expect_start().returning(move |_| Err(answer.clone()));
        let next = run(provider(), users(), &clock, &sessions, &browser, code()).await;
        assert_eq!(next, Err(LoginError::Save(error)));
    }
}
