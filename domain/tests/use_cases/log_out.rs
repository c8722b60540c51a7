use portico_contracts::{
    fakes::{CountingRandomness, InMemorySessions},
    fixtures,
};
use portico_domain::{
    ports::{
        MockIdentityProvider, MockRandomness, MockSessionStore, ProviderUnavailable,
        RandomnessUnavailable, SessionStore, SessionsUnavailable,
    },
    use_cases::{LogOut, LogOutOutcome},
};

async fn a_signed_in_person() -> InMemorySessions {
    let sessions = InMemorySessions::default();
    sessions.start(&fixtures::session()).await.unwrap();
    sessions
}

fn a_provider(answer: Result<Option<String>, ProviderUnavailable>) -> MockIdentityProvider {
    let mut identity = MockIdentityProvider::new();
    identity
        .expect_end_session_url()
        .once()
        .withf(|hint, state| {
            *hint == Some(fixtures::session().tokens.id_token) && !state.expose().is_empty()
        })
        .return_once(|_, _| answer);
    identity
}

async fn run(
    identity: MockIdentityProvider,
    sessions: &dyn SessionStore,
) -> Result<LogOutOutcome, SessionsUnavailable> {
    LogOut { identity: &identity, randomness: &CountingRandomness::default() }.run(sessions).await
}

#[tokio::test]
async fn a_person_is_signed_out_here_and_sent_to_the_provider() {
    let sessions = a_signed_in_person().await;
    let url = "https://id.example/logout".to_owned();
    let done = run(a_provider(Ok(Some(url.clone()))), &sessions).await;
    assert_eq!(done, Ok(LogOutOutcome::AtProvider(url)));
    assert_eq!(sessions.current().await, Ok(None));
}

#[tokio::test]
async fn a_person_is_signed_out_here_when_the_provider_has_no_place_for_it() {
    let sessions = a_signed_in_person().await;
    assert_eq!(run(a_provider(Ok(None)), &sessions).await, Ok(LogOutOutcome::LocalOnly));
    assert_eq!(sessions.current().await, Ok(None));
}

#[tokio::test]
async fn a_person_is_signed_out_here_while_the_provider_is_down() {
    let sessions = a_signed_in_person().await;
    let down = ProviderUnavailable("connection refused".into());
    let done = run(a_provider(Err(down.clone())), &sessions).await;
    assert_eq!(done, Ok(LogOutOutcome::ProviderUnavailable(down)));
    assert_eq!(sessions.current().await, Ok(None));
}

#[tokio::test]
async fn a_stranger_has_nothing_to_end() {
    let done = run(MockIdentityProvider::new(), &InMemorySessions::default()).await;
    assert_eq!(done, Ok(LogOutOutcome::NotLoggedIn));
}

#[tokio::test]
async fn a_store_that_is_down_is_said_so() {
    let down = SessionsUnavailable("gone".into());
    let mut at_the_visitor = MockSessionStore::new();
    let answer = down.clone();
    at_the_visitor.expect_current().returning(move || Err(answer.clone()));
    let mut at_the_end = MockSessionStore::new();
    let answer = down.clone();
    at_the_end.expect_current().returning(|| Ok(Some(fixtures::session())));
    at_the_end.expect_end().returning(move || Err(answer.clone()));
    for sessions in [at_the_visitor, at_the_end] {
        assert_eq!(run(MockIdentityProvider::new(), &sessions).await, Err(down.clone()));
    }
}

#[tokio::test]
async fn people_can_log_out_without_chance() {
    let sessions = a_signed_in_person().await;
    let mut randomness = MockRandomness::new();
    randomness.expect_bytes().returning(|| Err(RandomnessUnavailable("none".into())));
    let identity = a_provider(Ok(None));
    let done = LogOut { identity: &identity, randomness: &randomness }.run(&sessions).await;
    assert_eq!(done, Ok(LogOutOutcome::LocalOnly));
}
