use portico_contracts::{
    fakes::{CountingRandomness, ManualClock},
    fixtures,
};
use portico_domain::{
    model::{AuthorizationParameters, NextPage, Screen},
    ports::{
        MockIdentityProvider, MockRandomness, MockSessionStore, ProviderUnavailable, Randomness,
        RandomnessUnavailable, SessionsUnavailable,
    },
    use_cases::{BeginLogin, BeginLoginError, BeginLoginOutcome},
};

async fn run(
    identity: MockIdentityProvider,
    randomness: &dyn Randomness,
    sessions: MockSessionStore,
    screen: Screen,
) -> Result<BeginLoginOutcome, BeginLoginError> {
    let next = NextPage::parse("/protected?a=b").unwrap();
    let clock = ManualClock::default();
    BeginLogin { identity: &identity, clock: &clock, randomness }
        .run(&sessions, screen, next, AuthorizationParameters::default())
        .await
}

fn a_stranger() -> MockSessionStore {
    let mut sessions = MockSessionStore::new();
    sessions.expect_current().returning(|| Ok(None));
    sessions
}

fn a_provider() -> MockIdentityProvider {
    let mut identity = MockIdentityProvider::new();
    identity.expect_authorization_url().returning(|attempt, screen| {
        Ok(format!("https://id.example/?{screen:?}&{}", attempt.state.expose()))
    });
    identity
}

#[tokio::test]
async fn a_stranger_is_sent_to_the_provider_and_the_attempt_remembered() {
    for screen in [Screen::LogIn, Screen::SignUp] {
        let mut sessions = a_stranger();
        sessions
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
        let begun = run(a_provider(), &CountingRandomness::default(), sessions, screen).await;
        let Ok(BeginLoginOutcome::AtProvider(url)) = begun else { panic!("{begun:?}") };
        assert!(url.starts_with(&format!("https://id.example/?{screen:?}&")));
    }
}

#[tokio::test]
async fn who_is_signed_in_already_goes_straight_to_the_page() {
    let mut sessions = MockSessionStore::new();
    sessions.expect_current().returning(|| Ok(Some(fixtures::session())));
    let begun =
        run(MockIdentityProvider::new(), &CountingRandomness::default(), sessions, Screen::LogIn)
            .await;
    assert_eq!(
        begun,
        Ok(BeginLoginOutcome::AlreadyLoggedIn(NextPage::parse("/protected?a=b").unwrap()))
    );
}

#[tokio::test]
async fn nothing_is_remembered_while_the_provider_is_down() {
    let mut identity = MockIdentityProvider::new();
    let down = ProviderUnavailable("connection refused".into());
    let answer = down.clone();
    identity.expect_authorization_url().returning(move |_, _| Err(answer.clone()));
    let begun = run(identity, &CountingRandomness::default(), a_stranger(), Screen::LogIn).await;
    assert_eq!(begun, Err(BeginLoginError::Provider(down)));
}

#[tokio::test]
async fn a_store_that_is_down_is_said_so() {
    let down = SessionsUnavailable("gone".into());
    let answer = down.clone();
    let mut sessions = MockSessionStore::new();
    sessions.expect_current().returning(move || Err(answer.clone()));
    let begun = run(a_provider(), &CountingRandomness::default(), sessions, Screen::LogIn).await;
    assert_eq!(begun, Err(BeginLoginError::Sessions(down.clone())));

    let answer = down.clone();
    let mut sessions = a_stranger();
    sessions.expect_remember().returning(move |_| Err(answer.clone()));
    let begun = run(a_provider(), &CountingRandomness::default(), sessions, Screen::LogIn).await;
    assert_eq!(begun, Err(BeginLoginError::Sessions(down)));
}

#[tokio::test]
async fn without_chance_nobody_is_sent_anywhere() {
    let none = RandomnessUnavailable("no entropy".into());
    let answer = none.clone();
    let mut randomness = MockRandomness::new();
    randomness.expect_bytes().returning(move || Err(answer.clone()));
    let begun = run(MockIdentityProvider::new(), &randomness, a_stranger(), Screen::LogIn).await;
    assert_eq!(begun, Err(BeginLoginError::Randomness(none)));
}
