use std::sync::Mutex;

use chrono::TimeDelta;
use portico_contracts::{
    fakes::{InMemoryBrowser, ManualClock},
    fixtures,
};
use portico_domain::{
    model::{AccessToken, Message, RefreshToken, RefreshedTokens, Session, Topic},
    ports::{
        MessageError, MockIdentityProvider, MockMessageApi, RefreshError, RefusalReason,
        SessionStore,
    },
    use_cases::{ReadMessage, ReadMessageError},
};

fn hello() -> Message {
    Message { text: "hello".into() }
}

fn refusal() -> MessageError {
    MessageError::Refused { reason: RefusalReason::Unauthenticated, text: "Bad credentials".into() }
}

/// Its access token expires after two minutes, and is to be renewed in the last 30 seconds.
fn session() -> Session {
    let mut session = fixtures::session();
    let tokens = &mut session.identity.tokens;
    tokens.refresh_token = Some(RefreshToken::new("refresh-token"));
    tokens.access_token_expires_at = Some(session.started_at + TimeDelta::minutes(2));
    session
}

const BEFORE_RENEWAL: TimeDelta = TimeDelta::seconds(89);
const RENEWAL_IS_DUE: TimeDelta = TimeDelta::seconds(90);

fn refreshing(answer: Result<(), RefreshError>) -> MockIdentityProvider {
    let mut identity = MockIdentityProvider::new();
    identity.expect_refresh().once().returning(move |session| {
        let mut tokens = session.tokens().clone();
        tokens.access_token = AccessToken::new("newer");
        answer.clone().map(|()| RefreshedTokens { tokens, permissions: None })
    });
    identity
}

/// An API that accepts only this token.
fn api_for(accepted: &'static str) -> MockMessageApi {
    let mut api = MockMessageApi::new();
    api.expect_read().returning(move |_, token| match token {
        Some(token) if token.expose() == accepted => Ok(hello()),
        _ => Err(refusal()),
    });
    api
}

async fn read(
    api: &MockMessageApi,
    identity: &MockIdentityProvider,
    after: TimeDelta,
    session: Session,
) -> (Result<Message, ReadMessageError>, InMemoryBrowser) {
    let clock = ManualClock::default();
    clock.advance(after);
    let browser = InMemoryBrowser::default();
    browser.start(&session).await.unwrap();
    let read = ReadMessage { api, identity, clock: &clock, on_renewal_failure: &|_| {} };
    (read.run(&browser, Some(&session), Topic::Protected).await, browser)
}

#[tokio::test]
async fn sends_access_token_of_logged_in_visitors_only() {
    for visitor in [Some(fixtures::session()), None] {
        let token = visitor.as_ref().map(|session| session.tokens().access_token.clone());
        let mut api = MockMessageApi::new();
        api.expect_read()
            .once()
            .withf(move |topic, given| *topic == Topic::Public && *given == token)
            .returning(|_, _| Ok(hello()));
        let (identity, clock) = (MockIdentityProvider::new(), ManualClock::default());
        let read = ReadMessage {
            api: &api,
            identity: &identity,
            clock: &clock,
            on_renewal_failure: &|_| {},
        };
        let browser = InMemoryBrowser::default();
        assert_eq!(read.run(&browser, visitor.as_ref(), Topic::Public).await, Ok(hello()));
    }
}

#[tokio::test]
async fn passes_on_errors_of_the_api() {
    let denied = RefusalReason::PermissionDenied;
    for error in [
        MessageError::Refused { reason: denied, text: "Permission denied".into() },
        MessageError::Failed("connection refused".into()),
        MessageError::Timeout,
    ] {
        let mut api = MockMessageApi::new();
        let answer = error.clone();
        api.expect_read().once().returning(move |_, _| Err(answer.clone()));
        let identity = MockIdentityProvider::new();
        let (message, _) = read(&api, &identity, TimeDelta::zero(), session()).await;
        assert_eq!(message, Err(ReadMessageError::Api(error)));
    }
}

#[tokio::test]
async fn requires_login_when_token_is_refused_without_refresh_token() {
    let identity = MockIdentityProvider::new();
    let (message, browser) =
        read(&api_for("another"), &identity, TimeDelta::zero(), fixtures::session()).await;
    assert_eq!(message, Err(ReadMessageError::LoginRequired));
    assert_eq!(browser.current().await, Ok(Some(fixtures::session())));
}

#[tokio::test]
async fn renews_token_that_is_about_to_expire() {
    let (message, browser) =
        read(&api_for("newer"), &refreshing(Ok(())), RENEWAL_IS_DUE, session()).await;
    assert_eq!(message, Ok(hello()));
    let saved = browser.current().await.unwrap().unwrap();
    assert_eq!(saved.tokens().access_token, AccessToken::new("newer"));
}

#[tokio::test]
async fn uses_token_that_does_not_expire_soon() {
    let identity = MockIdentityProvider::new();
    let (message, _) = read(&api_for("access-token"), &identity, BEFORE_RENEWAL, session()).await;
    assert_eq!(message, Ok(hello()));
}

#[tokio::test]
async fn uses_old_token_while_it_cannot_be_renewed() {
    let identity = refreshing(Err(RefreshError::ProviderFault("500".into())));
    let (message, browser) =
        read(&api_for("access-token"), &identity, RENEWAL_IS_DUE, session()).await;
    assert_eq!(message, Ok(hello()));
    assert_eq!(browser.current().await, Ok(Some(session())));
}

#[tokio::test]
async fn reports_unavailable_renewal_and_keeps_session() {
    let cause = RefreshError::ProviderTimeout("10 s".into());
    for after in [TimeDelta::zero(), RENEWAL_IS_DUE] {
        let reported = Mutex::new(Vec::new());
        let clock = ManualClock::default();
        clock.advance(after);
        let browser = InMemoryBrowser::default();
        browser.start(&session()).await.unwrap();
        let read = ReadMessage {
            api: &api_for("another"),
            identity: &refreshing(Err(cause.clone())),
            clock: &clock,
            on_renewal_failure: &|cause| reported.lock().unwrap().push(cause.clone()),
        };
        let message = read.run(&browser, Some(&session()), Topic::Protected).await;
        assert_eq!(message, Err(ReadMessageError::RenewalUnavailable(Some(cause.clone()))));
        assert_eq!(*reported.lock().unwrap(), std::slice::from_ref(&cause));
        assert_eq!(browser.current().await, Ok(Some(session())));
    }
}

#[tokio::test]
async fn renews_refused_token_once() {
    let identity = refreshing(Ok(()));
    let (message, _) = read(&api_for("newer"), &identity, TimeDelta::zero(), session()).await;
    assert_eq!(message, Ok(hello()));

    let identity = refreshing(Ok(()));
    let (message, _) = read(&api_for("another"), &identity, TimeDelta::zero(), session()).await;
    assert_eq!(message, Err(ReadMessageError::Api(refusal())));
}

#[tokio::test]
async fn reports_session_that_the_provider_ends() {
    for after in [TimeDelta::zero(), RENEWAL_IS_DUE] {
        let identity = refreshing(Err(RefreshError::Refused("invalid_grant".into())));
        let (message, browser) = read(&api_for("another"), &identity, after, session()).await;
        assert!(matches!(message, Err(ReadMessageError::SessionEnded(_))));
        assert_eq!(browser.current().await, Ok(None));
    }
}
