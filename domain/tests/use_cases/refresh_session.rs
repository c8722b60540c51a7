use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;
use portico_contracts::{fakes::InMemoryBrowser, fixtures};
use portico_domain::{
    model::{AccessToken, RefreshToken, RefreshedTokens, Session, SessionChange},
    ports::{
        MockIdentityProvider, MockSessionStore, RefreshError, Renewal, SaveSessionError,
        SessionStore, SessionsUnavailable, TokenRenewal,
    },
    use_cases::{RefreshSession, RefreshSessionError},
};

fn session() -> Session {
    let mut session = fixtures::session();
    session.identity.tokens.refresh_token = Some(RefreshToken::new("refresh-token"));
    session
}

fn refreshed() -> RefreshedTokens {
    let mut tokens = session().identity.tokens;
    tokens.access_token = AccessToken::new("newer");
    tokens.refresh_token = Some(RefreshToken::new("rotated"));
    RefreshedTokens { tokens, permissions: None }
}

fn newer_session() -> Session {
    session().with(SessionChange::Refreshed(refreshed()))
}

fn provider(answer: Result<RefreshedTokens, RefreshError>) -> MockIdentityProvider {
    let mut identity = MockIdentityProvider::new();
    let answer = move |_: &Session| answer.clone();
    identity.expect_refresh().once().withf(|given| *given == session()).returning(answer);
    identity
}

async fn logged_in() -> InMemoryBrowser {
    let browser = InMemoryBrowser::default();
    browser.start(&session()).await.unwrap();
    browser
}

async fn run(
    identity: MockIdentityProvider,
    sessions: &dyn SessionStore,
) -> Result<Session, RefreshSessionError> {
    RefreshSession { identity: &identity }.run(sessions, &session()).await
}

#[tokio::test]
async fn saves_newer_tokens_and_can_refresh_again() {
    let browser = logged_in().await;
    assert_eq!(run(provider(Ok(refreshed())), &browser).await, Ok(newer_session()));
    assert_eq!(browser.current().await, Ok(Some(newer_session())));
    let mut identity = MockIdentityProvider::new();
    identity.expect_refresh().once().returning(|session| {
        let mut tokens = session.tokens().clone();
        tokens.access_token = AccessToken::new("newest");
        Ok(RefreshedTokens { tokens, permissions: None })
    });
    let refresh = RefreshSession { identity: &identity };
    let newest = refresh.run(&browser, &newer_session()).await.unwrap();
    assert_eq!(newest.tokens().access_token, AccessToken::new("newest"));
}

#[tokio::test]
async fn uses_tokens_that_another_request_renewed() {
    let browser = logged_in().await;
    browser.update(&SessionChange::Refreshed(refreshed())).await.unwrap();
    for _ in 0..2 {
        assert_eq!(run(MockIdentityProvider::new(), &browser).await, Ok(newer_session()));
    }
}

#[tokio::test]
async fn does_not_retry_failure_of_another_request() {
    let mut waited = MockSessionStore::new();
    waited.expect_refresh().returning(|_, _| Ok(Some(session())));
    let failed = run(MockIdentityProvider::new(), &waited).await;
    assert_eq!(failed, Err(RefreshSessionError::FailedElsewhere));
}

#[tokio::test]
async fn ends_session_that_the_provider_refuses_or_lies_about() {
    for error in
        [RefreshError::Refused("invalid_grant".into()), RefreshError::InvalidIdentity("sub".into())]
    {
        let browser = logged_in().await;
        let ended = run(provider(Err(error.clone())), &browser).await;
        assert_eq!(ended, Err(RefreshSessionError::Ended(error.to_string())));
        assert_eq!(browser.current().await, Ok(None));
    }
}

#[tokio::test]
async fn keeps_session_while_provider_is_down() {
    for error in
        [RefreshError::ProviderFault("500".into()), RefreshError::ProviderTimeout("10 s".into())]
    {
        let browser = logged_in().await;
        let failed = run(provider(Err(error.clone())), &browser).await;
        assert_eq!(failed, Err(RefreshSessionError::Unavailable(error)));
        assert_eq!(browser.current().await, Ok(Some(session())));
        assert_eq!(run(provider(Ok(refreshed())), &browser).await, Ok(newer_session()));
    }
}

/// The user logs out while the provider answers: nobody will use the new refresh token.
#[tokio::test]
async fn revokes_new_token_of_session_that_ended_meanwhile() {
    let browser = Arc::new(logged_in().await);
    let in_provider = browser.clone();
    let mut identity = MockIdentityProvider::new();
    identity.expect_refresh().returning(move |_| {
        in_provider.end().now_or_never().unwrap().unwrap();
        Ok(refreshed())
    });
    identity.expect_revoke().once().withf(|token, _| token.expose() == "rotated").return_const(());
    let ended = run(identity, &*browser).await;
    assert!(matches!(ended, Err(RefreshSessionError::Ended(_))));
    assert_eq!(browser.current().await, Ok(None));
}

#[tokio::test]
async fn does_not_refresh_ended_session() {
    let ended = run(MockIdentityProvider::new(), &InMemoryBrowser::default()).await;
    assert!(matches!(ended, Err(RefreshSessionError::Ended(_))));
}

#[tokio::test]
async fn reports_errors_of_the_store() {
    for error in [
        SaveSessionError::Unavailable(SessionsUnavailable("gone".into())),
        SaveSessionError::TooLarge { bytes: 2, max_bytes: 1 },
    ] {
        let answer = error.clone();
        let mut sessions = MockSessionStore::new();
        sessions.expect_refresh().returning(move |_, _| Err(answer.clone()));
        let failed = run(MockIdentityProvider::new(), &sessions).await;
        assert_eq!(failed, Err(RefreshSessionError::Save(error)));
    }
}

/// What the store is told to do with the session.
struct Recorder(InMemoryBrowser, std::sync::Mutex<Vec<Renewal>>);

#[async_trait]
impl SessionStore for Recorder {
    async fn current(&self) -> Result<Option<Session>, SessionsUnavailable> {
        self.0.current().await
    }

    async fn start(&self, session: &Session) -> Result<(), SaveSessionError> {
        self.0.start(session).await
    }

    async fn update(&self, change: &SessionChange) -> Result<Option<Session>, SaveSessionError> {
        self.0.update(change).await
    }

    async fn refresh<'a>(
        &self,
        stale: &Session,
        renewal: &'a (dyn TokenRenewal + 'a),
    ) -> Result<Option<Session>, SaveSessionError> {
        let result = renewal.renew(stale).await;
        self.1.lock().unwrap().push(result);
        Ok(Some(stale.clone()))
    }

    async fn end(&self) -> Result<(), SessionsUnavailable> {
        self.0.end().await
    }
}

#[tokio::test]
async fn each_outcome_decides_what_becomes_of_the_session() {
    for (answer, expected) in [
        (Ok(refreshed()), Renewal::Refreshed(refreshed())),
        (Err(RefreshError::Refused("no".into())), Renewal::End),
        (Err(RefreshError::InvalidIdentity("no".into())), Renewal::End),
        (Err(RefreshError::ProviderFault("no".into())), Renewal::Unchanged),
        (Err(RefreshError::ProviderTimeout("no".into())), Renewal::Unchanged),
    ] {
        let recorder = Recorder(logged_in().await, std::sync::Mutex::default());
        let _ = run(provider(answer), &recorder).await;
        assert_eq!(*recorder.1.lock().unwrap(), [expected]);
    }
}
