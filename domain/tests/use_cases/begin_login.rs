use chrono::TimeDelta;
use portico_contracts::{
    fakes::{CountingRandomness, InMemoryBrowser, ManualClock},
    fixtures,
};
use portico_domain::{
    model::{AuthorizationParameters, LoginLoopGuard, NextPage, Screen, State},
    ports::{
        Clock, LoginAttempts, MockIdentityProvider, MockLoginAttempts, MockRandomness,
        MockSessionStore, ProviderUnavailable, Randomness, RandomnessUnavailable, SessionStore,
        SessionsUnavailable,
    },
    use_cases::{BeginLogin, BeginLoginError, BeginLoginOutcome, LoginRequest},
};

fn request() -> LoginRequest {
    LoginRequest {
        screen: Screen::LogIn,
        next: NextPage::parse("/protected?a=b").unwrap(),
        parameters: AuthorizationParameters::default(),
        renew: false,
    }
}

async fn run(
    identity: &MockIdentityProvider,
    randomness: &dyn Randomness,
    sessions: &dyn SessionStore,
    attempts: &dyn LoginAttempts,
    request: LoginRequest,
) -> Result<BeginLoginOutcome, BeginLoginError> {
    let clock = ManualClock::default();
    BeginLogin { identity, clock: &clock, randomness }.run(sessions, attempts, request).await
}

async fn begin(
    identity: &MockIdentityProvider,
    browser: &InMemoryBrowser,
    request: LoginRequest,
) -> Result<BeginLoginOutcome, BeginLoginError> {
    run(identity, &CountingRandomness::default(), browser, browser, request).await
}

fn logged_out() -> MockSessionStore {
    let mut sessions = MockSessionStore::new();
    sessions.expect_current().returning(|| Ok(None));
    sessions
}

fn no_loop() -> MockLoginAttempts {
    let mut attempts = MockLoginAttempts::new();
    attempts.expect_loop_guard().returning(LoginLoopGuard::default);
    attempts
}

fn provider() -> MockIdentityProvider {
    let mut identity = MockIdentityProvider::new();
    identity.expect_authorization_url().returning(|attempt, screen| {
        Ok(format!("https://id.example/?{screen:?}&{}", attempt.state.expose()))
    });
    identity
}

fn down() -> SessionsUnavailable {
    SessionsUnavailable("gone".into())
}

#[tokio::test]
async fn sends_visitor_to_provider_and_remembers_attempt() {
    for screen in [Screen::LogIn, Screen::SignUp] {
        let mut attempts = no_loop();
        attempts
            .expect_remember()
            .once()
            .withf(|attempt| {
                attempt.next.as_str() == "/protected?a=b"
                    && attempt.state.expose().len() == 43
                    && attempt.code_verifier.expose().len() == 43
                    && attempt.state.expose() != attempt.nonce.expose()
                    && attempt.nonce.expose() != attempt.code_verifier.expose()
            })
            .returning(|_| Ok(()));
        let random = CountingRandomness::default();
        let request = LoginRequest { screen, ..request() };
        let outcome = run(&provider(), &random, &logged_out(), &attempts, request).await;
        let Ok(BeginLoginOutcome::AtProvider(url)) = outcome else { panic!("{outcome:?}") };
        assert!(url.starts_with(&format!("https://id.example/?{screen:?}&")));
    }
}

#[tokio::test]
async fn logged_in_visitor_goes_straight_to_the_page() {
    let browser = InMemoryBrowser::default();
    browser.start(&fixtures::session()).await.unwrap();
    let outcome = begin(&MockIdentityProvider::new(), &browser, request()).await;
    let next = NextPage::parse("/protected?a=b").unwrap();
    assert_eq!(outcome, Ok(BeginLoginOutcome::AlreadyLoggedIn(next)));
}

#[tokio::test]
async fn logged_in_visitor_can_renew_or_must_authenticate_again() {
    let browser = InMemoryBrowser::default();
    browser.start(&fixtures::session()).await.unwrap();
    let fresh = AuthorizationParameters::parse([("max_age", "60")]).unwrap();
    for request in
        [LoginRequest { renew: true, ..request() }, LoginRequest { parameters: fresh, ..request() }]
    {
        let outcome = begin(&provider(), &browser, request).await;
        assert!(matches!(outcome, Ok(BeginLoginOutcome::AtProvider(_))), "{outcome:?}");
    }
    assert_eq!(browser.current().await, Ok(Some(fixtures::session())));
}

#[tokio::test]
async fn remembers_nothing_while_provider_is_down() {
    let mut identity = MockIdentityProvider::new();
    let down = ProviderUnavailable("connection refused".into());
    let answer = down.clone();
    identity.expect_authorization_url().returning(move |_, _| Err(answer.clone()));
    let (random, attempts) = (CountingRandomness::default(), no_loop());
    let outcome = run(&identity, &random, &logged_out(), &attempts, request()).await;
    assert_eq!(outcome, Err(BeginLoginError::Provider(down)));
}

#[tokio::test]
async fn stops_loop_before_anything_is_sent_or_stored() {
    let browser = InMemoryBrowser::default();
    let now = ManualClock::default().now();
    for _ in 0..2 {
        let mut guard = browser.loop_guard().await;
        guard.record_success(now - TimeDelta::seconds(1));
        browser.set_loop_guard(&guard).await;
        assert!(begin(&provider(), &browser, request()).await.is_ok());
    }
    let mut guard = browser.loop_guard().await;
    guard.record_success(now);
    browser.set_loop_guard(&guard).await;
    let outcome = begin(&MockIdentityProvider::new(), &browser, request()).await;
    assert_eq!(outcome, Err(BeginLoginError::Loop));
}

#[tokio::test]
async fn unfinished_logins_are_no_loop() {
    let browser = InMemoryBrowser::default();
    for _ in 0..50 {
        assert!(begin(&provider(), &browser, request()).await.is_ok());
    }
    assert!(browser.loop_guard().await.is_empty());
}

#[tokio::test]
async fn reports_store_outage() {
    let random = CountingRandomness::default();
    let mut sessions = MockSessionStore::new();
    sessions.expect_current().returning(|| Err(down()));
    let outcome = run(&provider(), &random, &sessions, &no_loop(), request()).await;
    assert_eq!(outcome, Err(BeginLoginError::Sessions(down())));

    let mut attempts = no_loop();
    attempts.expect_remember().returning(|_| Err(down()));
    let outcome = run(&provider(), &random, &logged_out(), &attempts, request()).await;
    assert_eq!(outcome, Err(BeginLoginError::Sessions(down())));
}

#[tokio::test]
async fn reports_missing_randomness() {
    let none = RandomnessUnavailable("no entropy".into());
    let answer = none.clone();
    let mut randomness = MockRandomness::new();
    randomness.expect_bytes().returning(move || Err(answer.clone()));
    let identity = MockIdentityProvider::new();
    let outcome = run(&identity, &randomness, &logged_out(), &no_loop(), request()).await;
    assert_eq!(outcome, Err(BeginLoginError::Randomness(none)));
}

#[tokio::test]
async fn attempt_can_be_taken_by_its_state() {
    let browser = InMemoryBrowser::default();
    let outcome = begin(&provider(), &browser, request()).await;
    let Ok(BeginLoginOutcome::AtProvider(url)) = outcome else { panic!("{outcome:?}") };
    let state = State::new(url.rsplit('&').next().unwrap());
    assert!(browser.take(&state).await.unwrap().is_some());
}
