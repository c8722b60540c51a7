use chrono::TimeDelta;
use portico_contracts::{
    fakes::{InMemorySessions, ManualClock},
    fixtures,
};
use portico_domain::ports::SessionStore;
use portico_domain::{
    model::{AccessToken, Message, RefreshToken, RefreshedTokens, Session, Tokens, Topic},
    ports::{MessageError, MockIdentityProvider, MockMessageApi, RefreshError},
    use_cases::{ReadMessage, ReadMessageError},
};
use std::sync::Mutex;

fn hello() -> Message {
    Message { text: "hello".into() }
}

fn refusal() -> MessageError {
    MessageError::Refused { status: 401, text: "Bad credentials".into() }
}

/// Good for a minute from the epoch, and then to be renewed.
fn session() -> Session {
    let mut session = fixtures::session();
    session.tokens.refresh_token = Some(RefreshToken::new("refresh-token"));
    session.tokens.access_token_expires_at = Some(session.started_at + TimeDelta::minutes(1));
    session
}

fn refreshing(answer: Result<(), RefreshError>) -> MockIdentityProvider {
    let mut identity = MockIdentityProvider::new();
    identity.expect_refresh().once().returning(move |session| {
        let access_token = AccessToken::new("newer");
        let tokens = Tokens { access_token, ..session.tokens.clone() };
        answer.clone().map(|()| RefreshedTokens { tokens, permissions: None })
    });
    identity
}

/// Refuses any token but this one.
fn api_for(good: &'static str) -> MockMessageApi {
    let mut api = MockMessageApi::new();
    api.expect_read().returning(move |_, token| match token {
        Some(token) if token.expose() == good => Ok(hello()),
        _ => Err(refusal()),
    });
    api
}

async fn read(
    api: &MockMessageApi,
    identity: &MockIdentityProvider,
    after: TimeDelta,
    session: Session,
) -> (Result<Message, ReadMessageError>, InMemorySessions) {
    let clock = ManualClock::default();
    clock.advance(after);
    let sessions = InMemorySessions::default();
    sessions.start(&session).await.unwrap();
    let read = ReadMessage { api, identity, clock: &clock, not_renewed: &|_| {} };
    (read.run(&sessions, Some(&session), Topic::Protected).await, sessions)
}

#[tokio::test]
async fn a_signed_in_person_asks_with_a_token_and_a_stranger_without() {
    for visitor in [Some(fixtures::session()), None] {
        let token = visitor.as_ref().map(|session| session.tokens.access_token.clone());
        let mut api = MockMessageApi::new();
        api.expect_read()
            .once()
            .withf(move |topic, given| *topic == Topic::Public && *given == token)
            .returning(|_, _| Ok(hello()));
        let identity = MockIdentityProvider::new();
        let clock = ManualClock::default();
        let read =
            ReadMessage { api: &api, identity: &identity, clock: &clock, not_renewed: &|_| {} };
        let sessions = InMemorySessions::default();
        assert_eq!(read.run(&sessions, visitor.as_ref(), Topic::Public).await, Ok(hello()));
    }
}

#[tokio::test]
async fn what_the_api_refuses_or_fails_to_say_is_passed_on() {
    for error in [
        refusal(),
        MessageError::Refused { status: 403, text: "Permission denied".into() },
        MessageError::Failed("connection refused".into()),
        MessageError::Timeout,
    ] {
        let mut api = MockMessageApi::new();
        let answer = error.clone();
        api.expect_read().once().returning(move |_, _| Err(answer.clone()));
        // Without a refresh token there is nothing else to try.
        let identity = MockIdentityProvider::new();
        let (message, _) = read(&api, &identity, TimeDelta::zero(), fixtures::session()).await;
        assert_eq!(message, Err(ReadMessageError::Api(error)));
    }
}

#[tokio::test]
async fn a_token_that_is_about_to_end_is_renewed_first() {
    let (message, sessions) =
        read(&api_for("newer"), &refreshing(Ok(())), TimeDelta::seconds(30), session()).await;
    assert_eq!(message, Ok(hello()));
    let kept = sessions.current().await.unwrap().unwrap();
    assert_eq!(kept.tokens.access_token, AccessToken::new("newer"));
}

#[tokio::test]
async fn a_token_that_is_good_for_a_while_is_used_as_it_is() {
    let (message, _) = read(
        &api_for("access-token"),
        &MockIdentityProvider::new(),
        TimeDelta::seconds(29),
        session(),
    )
    .await;
    assert_eq!(message, Ok(hello()));
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_now_is_tried_as_it_is() {
    let identity = refreshing(Err(RefreshError::ProviderFault("500".into())));
    let (message, sessions) =
        read(&api_for("access-token"), &identity, TimeDelta::seconds(30), session()).await;
    assert_eq!(message, Ok(hello()));
    assert_eq!(sessions.current().await, Ok(Some(session())));
}

#[tokio::test]
async fn the_operator_is_told_why_a_token_was_not_renewed() {
    let told = Mutex::new(Vec::new());
    let cause = RefreshError::ProviderFault("500".into());
    let sessions = InMemorySessions::default();
    sessions.start(&session()).await.unwrap();
    let read = ReadMessage {
        api: &api_for("another"),
        identity: &refreshing(Err(cause.clone())),
        clock: &ManualClock::default(),
        not_renewed: &|cause| told.lock().unwrap().push(cause.clone()),
    };
    let message = read.run(&sessions, Some(&session()), Topic::Protected).await;
    assert_eq!(message, Err(ReadMessageError::Api(refusal())));
    assert_eq!(*told.lock().unwrap(), [cause]);
}

#[tokio::test]
async fn a_token_that_looked_good_and_was_refused_is_renewed_once() {
    let (message, _) =
        read(&api_for("newer"), &refreshing(Ok(())), TimeDelta::zero(), session()).await;
    assert_eq!(message, Ok(hello()));

    let (message, _) =
        read(&api_for("another"), &refreshing(Ok(())), TimeDelta::zero(), session()).await;
    assert_eq!(message, Err(ReadMessageError::Api(refusal())));
}

#[tokio::test]
async fn the_apis_refusal_stands_where_the_token_cannot_be_renewed() {
    let identity = refreshing(Err(RefreshError::ProviderTimeout("10 s".into())));
    let (message, _) = read(&api_for("another"), &identity, TimeDelta::zero(), session()).await;
    assert_eq!(message, Err(ReadMessageError::Api(refusal())));
}

#[tokio::test]
async fn a_session_that_the_provider_ends_is_said_so() {
    for after in [TimeDelta::zero(), TimeDelta::seconds(30)] {
        let identity = refreshing(Err(RefreshError::Refused("invalid_grant".into())));
        let (message, sessions) = read(&api_for("another"), &identity, after, session()).await;
        assert!(matches!(message, Err(ReadMessageError::SessionEnded(_))));
        assert_eq!(sessions.current().await, Ok(None));
    }
}
