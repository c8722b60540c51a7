use chrono::TimeDelta;
use portico_contracts::{
    fakes::{CountingRandomness, InMemorySessions, ManualClock},
    fixtures,
};
use portico_domain::ports::Clock;
use portico_domain::{
    model::{
        AuthorizationCode, AuthorizationResponse, Callback, LoginAttempt, NextPage,
        ProviderRefusal, Session, SessionId, State,
    },
    ports::{
        MockIdentityProvider, MockSessionStore, MockUserRepository, RedeemError, SessionStore,
        SessionsUnavailable, UsersUnavailable,
    },
    use_cases::{CompleteLogin, LoginError},
};

fn a_code() -> Callback {
    Callback {
        state: State::new("state"),
        outcome: Ok(AuthorizationResponse { code: AuthorizationCode::new("code"), issuer: None }),
    }
}

fn a_provider() -> MockIdentityProvider {
    let mut identity = MockIdentityProvider::new();
    identity.expect_redeem().returning(|_, _| Ok(fixtures::identity()));
    identity
}

fn a_repository() -> MockUserRepository {
    let mut users = MockUserRepository::new();
    users.expect_record_login().returning(|_, _, _, _| Ok(fixtures::user()));
    users
}

fn an_attempt_of(clock: &ManualClock) -> LoginAttempt {
    LoginAttempt { started_at: clock.now(), ..fixtures::attempt("state", "/protected?a=b") }
}

async fn sessions_with_an_attempt(clock: &ManualClock) -> InMemorySessions {
    let sessions = InMemorySessions::default();
    sessions.remember(&an_attempt_of(clock)).await.unwrap();
    sessions
}

async fn run(
    identity: MockIdentityProvider,
    users: MockUserRepository,
    clock: &ManualClock,
    sessions: &dyn SessionStore,
    callback: Callback,
) -> Result<NextPage, LoginError> {
    let randomness = CountingRandomness::default();
    let login =
        CompleteLogin { identity: &identity, users: &users, clock, randomness: &randomness };
    login.run(sessions, callback, "Firefox on Linux").await
}

#[tokio::test]
async fn a_person_with_a_good_code_is_signed_in_and_goes_on() {
    let clock = ManualClock::default();
    let sessions = sessions_with_an_attempt(&clock).await;
    let mut identity = MockIdentityProvider::new();
    identity
        .expect_redeem()
        .once()
        .withf(|response, attempt| {
            response.code.expose() == "code" && attempt.state.expose() == "state"
        })
        .returning(|_, _| Ok(fixtures::identity()));
    let mut users = MockUserRepository::new();
    let now = clock.now();
    users
        .expect_record_login()
        .once()
        .withf(move |issuer, subject, _, at| {
            issuer == fixtures::ISSUER && subject == "user-1" && *at == now
        })
        .returning(|_, _, _, _| Ok(fixtures::user()));

    let next = run(identity, users, &clock, &sessions, a_code()).await.unwrap();
    assert_eq!(next.as_str(), "/protected?a=b");
    let session = sessions.current().await.unwrap().unwrap();
    let id = SessionId::new([0; 32]);
    assert_eq!(session, Session { id, ..fixtures::session_at(now) });
}

#[tokio::test]
async fn an_unknown_state_signs_nobody_in() {
    let clock = ManualClock::default();
    let sessions = sessions_with_an_attempt(&clock).await;
    let callback = Callback { state: State::new("another"), ..a_code() };
    let next = run(a_provider(), a_repository(), &clock, &sessions, callback).await;
    assert_eq!(next, Err(LoginError::NoAttempt));
    assert_eq!(sessions.current().await, Ok(None));
    // The attempt of that other tab is still good.
    assert!(run(a_provider(), a_repository(), &clock, &sessions, a_code()).await.is_ok());
}

#[tokio::test]
async fn a_replayed_state_is_good_for_nothing() {
    let clock = ManualClock::default();
    let sessions = sessions_with_an_attempt(&clock).await;
    run(a_provider(), a_repository(), &clock, &sessions, a_code()).await.unwrap();
    sessions.end().await.unwrap();
    let replay =
        run(MockIdentityProvider::new(), MockUserRepository::new(), &clock, &sessions, a_code());
    assert_eq!(replay.await, Err(LoginError::NoAttempt));
    assert_eq!(sessions.current().await, Ok(None));
}

#[tokio::test]
async fn a_repeated_callback_of_a_signed_in_person_leads_to_the_profile() {
    let clock = ManualClock::default();
    let sessions = sessions_with_an_attempt(&clock).await;
    run(a_provider(), a_repository(), &clock, &sessions, a_code()).await.unwrap();
    let again =
        run(MockIdentityProvider::new(), MockUserRepository::new(), &clock, &sessions, a_code());
    assert_eq!(again.await, Ok(NextPage::profile()));
}

#[tokio::test]
async fn an_expired_attempt_signs_nobody_in() {
    let clock = ManualClock::default();
    let sessions = sessions_with_an_attempt(&clock).await;
    clock.advance(TimeDelta::minutes(10));
    let late =
        run(MockIdentityProvider::new(), MockUserRepository::new(), &clock, &sessions, a_code());
    assert_eq!(late.await, Err(LoginError::Expired));
    assert_eq!(sessions.current().await, Ok(None));
}

#[tokio::test]
async fn an_error_of_the_provider_uses_the_attempt_up() {
    let clock = ManualClock::default();
    let sessions = sessions_with_an_attempt(&clock).await;
    let refusal = ProviderRefusal {
        error: "access_denied".into(),
        description: Some("no".into()),
        issuer: None,
    };
    let callback = Callback { outcome: Err(refusal.clone()), ..a_code() };
    let mut identity = MockIdentityProvider::new();
    identity.expect_verify_issuer().once().returning(|_| Ok(()));
    let next = run(identity, MockUserRepository::new(), &clock, &sessions, callback);
    assert_eq!(next.await, Err(LoginError::Refused(refusal)));
    assert_eq!(sessions.take_attempt(&State::new("state")).await, Ok(None));
}

#[tokio::test]
async fn an_error_of_someone_else_is_not_taken_for_the_providers() {
    let clock = ManualClock::default();
    let sessions = sessions_with_an_attempt(&clock).await;
    let issuer = Some("https://evil.example".to_owned());
    let refusal = ProviderRefusal {
        error: "access_denied".into(),
        description: None,
        issuer: issuer.clone(),
    };
    let callback = Callback { outcome: Err(refusal), ..a_code() };
    let error = RedeemError::WrongIssuer("evil".into());
    let answer = error.clone();
    let mut identity = MockIdentityProvider::new();
    identity
        .expect_verify_issuer()
        .withf(move |named| *named == issuer)
        .returning(move |_| Err(answer.clone()));
    let next = run(identity, MockUserRepository::new(), &clock, &sessions, callback);
    assert_eq!(next.await, Err(LoginError::Redeem(error)));
}

#[tokio::test]
async fn whatever_is_wrong_with_the_code_signs_nobody_in() {
    for error in [
        RedeemError::WrongIssuer("https://evil.example".into()),
        RedeemError::CodeRejected("invalid_grant".into()),
        RedeemError::WrongNonce,
        RedeemError::InvalidIdentity("bad signature".into()),
        RedeemError::ProviderFault("500".into()),
        RedeemError::ProviderTimeout("10 s".into()),
    ] {
        let clock = ManualClock::default();
        let sessions = sessions_with_an_attempt(&clock).await;
        let mut identity = MockIdentityProvider::new();
        let answer = error.clone();
        identity.expect_redeem().returning(move |_, _| Err(answer.clone()));
        let next = run(identity, MockUserRepository::new(), &clock, &sessions, a_code()).await;
        assert_eq!(next, Err(LoginError::Redeem(error)));
        assert_eq!(sessions.current().await, Ok(None));
    }
}

#[tokio::test]
async fn without_the_repository_nobody_is_signed_in() {
    let clock = ManualClock::default();
    let sessions = sessions_with_an_attempt(&clock).await;
    let mut users = MockUserRepository::new();
    let down = UsersUnavailable("disk full".into());
    let answer = down.clone();
    users.expect_record_login().returning(move |_, _, _, _| Err(answer.clone()));
    let next = run(a_provider(), users, &clock, &sessions, a_code()).await;
    assert_eq!(next, Err(LoginError::Users(down)));
    assert_eq!(sessions.current().await, Ok(None));
}

#[tokio::test]
async fn a_store_that_is_down_is_said_so_at_every_step() {
    let clock = ManualClock::default();
    let down = SessionsUnavailable("gone".into());

    let mut at_the_attempt = MockSessionStore::new();
    let answer = down.clone();
    at_the_attempt.expect_take_attempt().returning(move |_| Err(answer.clone()));

    let mut at_the_visitor = MockSessionStore::new();
    let answer = down.clone();
    at_the_visitor.expect_take_attempt().returning(|_| Ok(None));
    at_the_visitor.expect_current().returning(move || Err(answer.clone()));

    let mut at_the_start = MockSessionStore::new();
    let (answer, attempt) = (down.clone(), an_attempt_of(&clock));
    at_the_start.expect_take_attempt().returning(move |_| Ok(Some(attempt.clone())));
    at_the_start.expect_start().returning(move |_| Err(answer.clone()));

    for sessions in [at_the_attempt, at_the_visitor, at_the_start] {
        let next = run(a_provider(), a_repository(), &clock, &sessions, a_code()).await;
        assert_eq!(next, Err(LoginError::Sessions(down.clone())));
    }
}
