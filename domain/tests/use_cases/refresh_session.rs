use portico_contracts::{fakes::InMemorySessions, fixtures};
use portico_domain::{
    model::{AccessToken, Change, RefreshToken, RefreshedTokens, Session, Tokens},
    ports::{
        MockIdentityProvider, MockSessionStore, RefreshError, SessionStore, SessionsUnavailable,
        Turn,
    },
    use_cases::{RefreshFailed, RefreshSession},
};
use std::sync::Arc;

fn session() -> Session {
    let mut session = fixtures::session();
    session.tokens.refresh_token = Some(RefreshToken::new("refresh-token"));
    session
}

fn refreshed() -> RefreshedTokens {
    let access_token = AccessToken::new("newer");
    RefreshedTokens { tokens: Tokens { access_token, ..session().tokens }, permissions: None }
}

fn newer_session() -> Session {
    session().with(Change::RefreshedTokens(refreshed()))
}

fn a_provider(answer: Result<RefreshedTokens, RefreshError>) -> MockIdentityProvider {
    let mut identity = MockIdentityProvider::new();
    let answer = move |_: &Session| answer.clone();
    identity.expect_refresh().once().withf(|given| *given == session()).returning(answer);
    identity
}

async fn a_signed_in_person() -> InMemorySessions {
    let sessions = InMemorySessions::default();
    sessions.start(&session()).await.unwrap();
    sessions
}

async fn run(
    identity: MockIdentityProvider,
    sessions: &dyn SessionStore,
) -> Result<Session, RefreshFailed> {
    RefreshSession { identity: &identity }.run(sessions, &session()).await
}

#[tokio::test]
async fn a_session_goes_on_with_newer_tokens_and_the_next_may_refresh_again() {
    let sessions = a_signed_in_person().await;
    assert_eq!(run(a_provider(Ok(refreshed())), &sessions).await, Ok(newer_session()));
    assert_eq!(sessions.current().await, Ok(Some(newer_session())));
    assert_eq!(sessions.take_turn().await, Ok(Turn::Yours(newer_session())));
}

#[tokio::test]
async fn what_another_request_refreshed_is_not_refreshed_again() {
    let sessions = a_signed_in_person().await;
    sessions.update(&Change::RefreshedTokens(refreshed())).await.unwrap();
    for _ in 0..2 {
        assert_eq!(run(MockIdentityProvider::new(), &sessions).await, Ok(newer_session()));
    }
    let mut waited = MockSessionStore::new();
    waited.expect_take_turn().returning(|| Ok(Turn::Over(Some(newer_session()))));
    assert_eq!(run(MockIdentityProvider::new(), &waited).await, Ok(newer_session()));
}

#[tokio::test]
async fn another_requests_failure_is_not_tried_again_at_once() {
    let sessions = a_signed_in_person().await;
    sessions.take_turn().await.unwrap();
    let failed = run(MockIdentityProvider::new(), &sessions).await;
    assert_eq!(failed, Err(RefreshFailed::Unavailable(None)));
    assert_eq!(sessions.current().await, Ok(Some(session())));
}

#[tokio::test]
async fn a_session_that_the_provider_refuses_or_lies_about_is_over() {
    for error in
        [RefreshError::Refused("invalid_grant".into()), RefreshError::InvalidIdentity("sub".into())]
    {
        let sessions = a_signed_in_person().await;
        let ended = run(a_provider(Err(error.clone())), &sessions).await;
        assert_eq!(ended, Err(RefreshFailed::Ended(error.to_string())));
        assert_eq!(sessions.current().await, Ok(None));
    }
}

#[tokio::test]
async fn a_provider_that_is_down_ends_no_session() {
    for error in
        [RefreshError::ProviderFault("500".into()), RefreshError::ProviderTimeout("10 s".into())]
    {
        let sessions = a_signed_in_person().await;
        let failed = run(a_provider(Err(error.clone())), &sessions).await;
        assert_eq!(failed, Err(RefreshFailed::Unavailable(Some(error))));
        assert_eq!(sessions.take_turn().await, Ok(Turn::Yours(session())));
    }
}

#[tokio::test]
async fn a_refresh_brings_no_ended_session_back() {
    let sessions = Arc::new(a_signed_in_person().await);
    let at_the_provider = sessions.clone();
    let mut identity = MockIdentityProvider::new();
    identity.expect_refresh().returning(move |_| {
        // The person logs out while the provider answers.
        let _ = at_once(at_the_provider.end());
        Ok(refreshed())
    });
    let ended = run(identity, &*sessions).await;
    assert!(matches!(ended, Err(RefreshFailed::Ended(_))));
    assert_eq!(sessions.current().await, Ok(None));
}

/// The answer of a future that waits for nothing.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(answer) => answer,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

#[tokio::test]
async fn a_session_that_ended_before_is_not_refreshed() {
    let ended = run(MockIdentityProvider::new(), &InMemorySessions::default()).await;
    assert!(matches!(ended, Err(RefreshFailed::Ended(_))));
}

#[tokio::test]
async fn a_store_that_is_down_is_said_so_at_every_step() {
    let down = || SessionsUnavailable("gone".into());
    let mut at_the_turn = MockSessionStore::new();
    at_the_turn.expect_take_turn().returning(move || Err(down()));
    let failed = run(MockIdentityProvider::new(), &at_the_turn).await;
    assert_eq!(failed, Err(RefreshFailed::Sessions(down())));

    let mut at_the_change = MockSessionStore::new();
    at_the_change.expect_take_turn().returning(|| Ok(Turn::Yours(session())));
    at_the_change.expect_update().returning(move |_| Err(down()));
    let failed = run(a_provider(Ok(refreshed())), &at_the_change).await;
    assert_eq!(failed, Err(RefreshFailed::Sessions(down())));
}
