use chrono::TimeDelta;
use portico_contracts::{
    fakes::{CountingRandomness, InMemoryBrowser, ManualClock},
    fixtures,
};
use portico_domain::{
    model::{AuthorizationParameters, LoginLoopGuard, NextPage, Screen, State},
    ports::{
        Clock, LoginAttempts, MockIdentityProvider, MockLoginAttempts, MockSessionStore,
        SessionStore,
    },
    use_cases::{BeginLogin, BeginLoginError, BeginLoginOutcome, LoginRequest},
};
use rstest::rstest;

use crate::support::{
    attempts_with, is_logged_in, no_randomness, provider_outage, randomness_outage, sessions_outage,
};

fn request() -> LoginRequest {
    LoginRequest {
        screen: Screen::LogIn,
        next: NextPage::parse("/protected?a=b").unwrap(),
        parameters: AuthorizationParameters::default(),
        renew: false,
    }
}

fn request_with(name: &str, value: &str) -> LoginRequest {
    let parameters = AuthorizationParameters::parse([(name, value)]).unwrap();
    LoginRequest { parameters, ..request() }
}

/// Puts the screen and the `state` into the address.
fn provider() -> MockIdentityProvider {
    let mut identity = MockIdentityProvider::new();
    identity.expect_authorization_url().returning(|attempt, screen| {
        Ok(format!("https://id.example/{screen:?}/{}", attempt.state.expose()))
    });
    identity
}

fn no_session() -> MockSessionStore {
    let mut sessions = MockSessionStore::new();
    sessions.expect_current().returning(|| Ok(None));
    sessions
}

fn some_session() -> MockSessionStore {
    let mut sessions = MockSessionStore::new();
    sessions.expect_current().returning(|| Ok(Some(fixtures::session())));
    sessions
}

/// Of a browser that has come back this often without a session, after one more log-in that
/// succeeded at the epoch.
fn guard_after(returns: usize) -> LoginLoopGuard {
    let now = ManualClock::default().now();
    let mut guard = LoginLoopGuard::default();
    for _ in 0..returns {
        guard.record_success(now);
        guard.record_return(now);
    }
    guard.record_success(now);
    guard
}

async fn run(
    identity: &MockIdentityProvider,
    sessions: &dyn SessionStore,
    attempts: &dyn LoginAttempts,
    request: LoginRequest,
) -> Result<BeginLoginOutcome, BeginLoginError> {
    let (clock, randomness) = (ManualClock::default(), CountingRandomness::default());
    let login = BeginLogin { identity, clock: &clock, randomness: &randomness };
    login.run(sessions, attempts, request).await
}

fn is_at_provider(outcome: &Result<BeginLoginOutcome, BeginLoginError>) -> bool {
    matches!(outcome, Ok(BeginLoginOutcome::AtProvider(_)))
}

#[rstest]
#[case::log_in(Screen::LogIn)]
#[case::sign_up(Screen::SignUp)]
#[tokio::test]
async fn sends_visitor_to_provider_and_remembers_attempt(#[case] screen: Screen) {
    let browser = InMemoryBrowser::default();
    let clock = ManualClock::default();
    clock.advance(TimeDelta::seconds(5));
    let identity = provider();
    let randomness = CountingRandomness::default();
    let login = BeginLogin { identity: &identity, clock: &clock, randomness: &randomness };
    let request = LoginRequest { screen, ..request_with("login_hint", "jo") };
    let result = login.run(&browser, &browser, request.clone()).await;

    let Ok(BeginLoginOutcome::AtProvider(url)) = result else { panic!("{result:?}") };
    let state = url.strip_prefix(&format!("https://id.example/{screen:?}/")).unwrap();
    let attempt = browser.take(&State::new(state)).await.unwrap().unwrap();
    let values = [attempt.state.expose(), attempt.nonce.expose(), attempt.code_verifier.expose()];
    assert!(values.iter().all(|value| value.len() == 43), "{values:?}");
    assert!(values[0] != values[1] && values[1] != values[2] && values[2] != values[0]);
    assert_eq!(attempt.next, request.next);
    assert_eq!(attempt.requested, request.parameters);
    assert_eq!(attempt.started_at, clock.now());
}

#[rstest]
#[case::plain_link(request())]
#[case::silent_check(request_with("prompt", "none"))]
#[case::hint(request_with("login_hint", "jo"))]
#[case::sign_up(LoginRequest { screen: Screen::SignUp, ..request_with("prompt", "registration") })]
#[tokio::test]
async fn leads_logged_in_visitor_straight_to_page(#[case] request: LoginRequest) {
    let (identity, attempts) = (MockIdentityProvider::new(), MockLoginAttempts::new());
    let result = run(&identity, &some_session(), &attempts, request.clone()).await;
    assert_eq!(result, Ok(BeginLoginOutcome::AlreadyLoggedIn(request.next)));
}

#[rstest]
#[case::renewal(LoginRequest { renew: true, ..request() })]
#[case::prompt(request_with("prompt", "login"))]
#[case::max_age(request_with("max_age", "0"))]
#[case::acr_values(request_with("acr_values", "mfa"))]
#[tokio::test]
async fn sends_logged_in_visitor_to_provider_on_demand(#[case] request: LoginRequest) {
    let browser = InMemoryBrowser::default();
    browser.start(&fixtures::session()).await.unwrap();
    // A loop guard that would refuse a browser without a session.
    browser.set_loop_guard(&guard_after(2)).await;
    let result = run(&provider(), &browser, &browser, request).await;
    assert!(is_at_provider(&result), "{result:?}");
    assert!(is_logged_in(&browser).await);
    assert_eq!(browser.loop_guard().await, guard_after(2));
}

#[tokio::test]
async fn refuses_third_return_within_a_minute() {
    let browser = InMemoryBrowser::default();
    let (identity, randomness) = (provider(), CountingRandomness::default());
    let clock = ManualClock::default();
    let login = BeginLogin { identity: &identity, clock: &clock, randomness: &randomness };
    let mut outcomes = Vec::new();
    for _ in 0..4 {
        let mut guard = browser.loop_guard().await;
        guard.record_success(clock.now());
        browser.set_loop_guard(&guard).await;
        clock.advance(TimeDelta::seconds(5));
        outcomes.push(login.run(&browser, &browser, request()).await);
    }
    assert!(outcomes[..2].iter().all(is_at_provider), "{outcomes:?}");
    assert_eq!(outcomes[2..], [Err(BeginLoginError::Loop), Err(BeginLoginError::Loop)]);

    // It is over after a minute.
    clock.advance(LoginLoopGuard::WINDOW);
    let result = login.run(&browser, &browser, request()).await;
    assert!(is_at_provider(&result), "{result:?}");
}

#[tokio::test]
async fn begins_no_login_in_a_loop() {
    let now = ManualClock::default().now();
    let mut attempts = attempts_with(guard_after(2));
    let mut expected = guard_after(2);
    assert!(expected.record_return(now));
    attempts
        .expect_set_loop_guard()
        .once()
        .withf(move |guard| *guard == expected)
        .returning(|_| ());
    // No request to the provider, and no attempt is stored.
    let result = run(&MockIdentityProvider::new(), &no_session(), &attempts, request()).await;
    assert_eq!(result, Err(BeginLoginError::Loop));
}

#[tokio::test]
async fn unfinished_logins_in_many_tabs_are_no_loop() {
    let browser = InMemoryBrowser::default();
    browser.set_loop_guard(&guard_after(0)).await;
    for _ in 0..30 {
        let result = run(&provider(), &browser, &browser, request()).await;
        assert!(is_at_provider(&result), "{result:?}");
    }
}

#[tokio::test]
async fn saves_loop_guard_after_return() {
    let mut attempts = attempts_with(guard_after(1));
    let mut expected = guard_after(1);
    expected.record_return(ManualClock::default().now());
    attempts
        .expect_set_loop_guard()
        .once()
        .withf(move |guard| *guard == expected)
        .returning(|_| ());
    attempts.expect_remember().once().returning(|_| Ok(()));
    let result = run(&provider(), &no_session(), &attempts, request()).await;
    assert!(is_at_provider(&result), "{result:?}");
}

#[tokio::test]
async fn saves_no_unchanged_loop_guard() {
    let mut attempts = attempts_with(LoginLoopGuard::default());
    attempts.expect_remember().once().returning(|_| Ok(()));
    let result = run(&provider(), &no_session(), &attempts, request()).await;
    assert!(is_at_provider(&result), "{result:?}");
}

#[tokio::test]
async fn remembers_nothing_while_provider_is_down() {
    let mut identity = MockIdentityProvider::new();
    identity.expect_authorization_url().returning(|_, _| Err(provider_outage()));
    let attempts = attempts_with(LoginLoopGuard::default());
    let result = run(&identity, &no_session(), &attempts, request()).await;
    assert_eq!(result, Err(BeginLoginError::Provider(provider_outage())));
}

#[tokio::test]
async fn reports_session_that_cannot_be_read() {
    let mut sessions = MockSessionStore::new();
    sessions.expect_current().returning(|| Err(sessions_outage()));
    let (identity, attempts) = (MockIdentityProvider::new(), MockLoginAttempts::new());
    let result = run(&identity, &sessions, &attempts, request()).await;
    assert_eq!(result, Err(BeginLoginError::Sessions(sessions_outage())));
}

#[tokio::test]
async fn reports_attempt_that_cannot_be_remembered() {
    let mut attempts = attempts_with(LoginLoopGuard::default());
    attempts.expect_remember().returning(|_| Err(sessions_outage()));
    let result = run(&provider(), &no_session(), &attempts, request()).await;
    assert_eq!(result, Err(BeginLoginError::Sessions(sessions_outage())));
}

#[tokio::test]
async fn begins_no_login_without_randomness() {
    let (identity, attempts) =
        (MockIdentityProvider::new(), attempts_with(LoginLoopGuard::default()));
    let clock = ManualClock::default();
    let login = BeginLogin { identity: &identity, clock: &clock, randomness: &no_randomness() };
    let result = login.run(&no_session(), &attempts, request()).await;
    assert_eq!(result, Err(BeginLoginError::Randomness(randomness_outage())));
}
