use std::sync::Mutex;

use chrono::TimeDelta;
use portico_contracts::{
    fakes::{InMemoryBrowser, InMemoryUsers, ManualClock},
    fixtures,
};
use portico_domain::{
    model::{AccessToken, EntryRules, Message, Reader, RefreshedTokens, Session, Tokens, Topic},
    ports::{
        MessageError, MockIdentityProvider, MockMessageApi, MockSessionStore, RefreshError,
        RefusalReason, SaveSessionError, SessionStore,
    },
    use_cases::{ReadMessage, ReadMessageError},
};
use rstest::rstest;

use crate::support::{is_logged_in, no_room, session_with_refresh_token, sessions_outage};

/// Before the renewal of the access token of [`session`] is due.
const NOT_DUE: TimeDelta = TimeDelta::seconds(569);
/// From here on it is due.
const DUE: TimeDelta = TimeDelta::seconds(570);

/// The access token expires ten minutes after the epoch.
fn session() -> Session {
    let mut session = session_with_refresh_token("refresh-token");
    let tokens = &mut session.identity.tokens;
    tokens.access_token_expires_at = Some(tokens.access_token_issued_at + TimeDelta::minutes(10));
    session
}

fn session_without_refresh_token() -> Session {
    let mut session = session();
    session.identity.tokens.refresh_token = None;
    session
}

fn message() -> Message {
    Message { text: "hello".into() }
}

fn refused(reason: RefusalReason) -> MessageError {
    MessageError::Refused { reason, text: "no".into() }
}

fn unauthenticated() -> MessageError {
    refused(RefusalReason::Unauthenticated)
}

/// Accepts only this access token.
fn api_accepting(accepted: &'static str) -> MockMessageApi {
    let mut api = MockMessageApi::new();
    api.expect_read().returning(move |_, reader| match reader {
        Some(reader) if reader.access_token.expose() == accepted => Ok(message()),
        _ => Err(unauthenticated()),
    });
    api
}

/// Must be asked once.
fn api_failing(error: MessageError) -> MockMessageApi {
    let mut api = MockMessageApi::new();
    api.expect_read().once().returning(move |_, _| Err(error.clone()));
    api
}

/// Must be asked once, and answers with the access token `newer` or this error.
fn provider(answer: Result<(), RefreshError>) -> MockIdentityProvider {
    let mut identity = MockIdentityProvider::new();
    identity.expect_refresh().once().returning(move |session| {
        let access_token = AccessToken::new("newer");
        let tokens = Tokens { access_token, ..session.tokens().clone() };
        answer.clone().map(|()| RefreshedTokens { tokens, claims: None, permissions: None })
    });
    identity
}

/// Reads the protected message this long after the epoch. Returns also the failures of which the
/// operator is told.
async fn run_with(
    api: &MockMessageApi,
    identity: &MockIdentityProvider,
    sessions: &dyn SessionStore,
    visitor: Option<&Session>,
    after: TimeDelta,
) -> (Result<Message, ReadMessageError>, Vec<RefreshError>) {
    let clock = ManualClock::default();
    clock.advance(after);
    let failures = Mutex::new(Vec::new());
    let on_renewal_failure = |cause: &RefreshError| failures.lock().unwrap().push(cause.clone());
    let read = ReadMessage {
        api,
        identity,
        clock: &clock,
        rules: &EntryRules::default(),
        on_renewal_failure: &on_renewal_failure,
        users: &InMemoryUsers::default(),
        on_unrecorded: &|_| {},
    };
    let result = read.run(sessions, visitor, Topic::Protected).await;
    (result, failures.into_inner().unwrap())
}

/// The same for a visitor with this session.
async fn run(
    api: &MockMessageApi,
    identity: &MockIdentityProvider,
    session: &Session,
    after: TimeDelta,
) -> (Result<Message, ReadMessageError>, Vec<RefreshError>, InMemoryBrowser) {
    let browser = InMemoryBrowser::default();
    browser.start(session).await.unwrap();
    let (result, failures) = run_with(api, identity, &browser, Some(session), after).await;
    (result, failures, browser)
}

#[rstest]
#[case::logged_in(Some(fixtures::session()))]
#[case::not_logged_in(None)]
#[tokio::test]
async fn reads_with_access_token_and_permissions_of_logged_in_visitor(
    #[case] visitor: Option<Session>,
) {
    let reader = visitor.as_ref().map(|session| Reader {
        access_token: session.tokens().access_token.clone(),
        permissions: session.identity.permissions.clone(),
    });
    let mut api = MockMessageApi::new();
    api.expect_read()
        .once()
        .withf(move |topic, given| *topic == Topic::Protected && *given == reader)
        .returning(|_, _| Ok(message()));
    let (identity, sessions) = (MockIdentityProvider::new(), MockSessionStore::new());
    let (result, _) =
        run_with(&api, &identity, &sessions, visitor.as_ref(), TimeDelta::zero()).await;
    assert_eq!(result, Ok(message()));
}

#[rstest]
#[case::permission_denied(refused(RefusalReason::PermissionDenied))]
#[case::not_found(refused(RefusalReason::NotFound))]
#[case::too_many_requests(refused(RefusalReason::TooManyRequests))]
#[case::other(refused(RefusalReason::Other(451)))]
#[case::failed(MessageError::Failed("connection refused".into()))]
#[case::timeout(MessageError::Timeout)]
#[tokio::test]
async fn passes_error_of_api_on_without_renewal(#[case] error: MessageError) {
    let api = api_failing(error.clone());
    let (result, ..) = run(&api, &MockIdentityProvider::new(), &session(), NOT_DUE).await;
    assert_eq!(result, Err(ReadMessageError::Api(error)));
}

#[tokio::test]
async fn passes_refusal_on_to_visitor_without_session() {
    let (identity, sessions) = (MockIdentityProvider::new(), MockSessionStore::new());
    let api = api_failing(unauthenticated());
    let (result, _) = run_with(&api, &identity, &sessions, None, TimeDelta::zero()).await;
    assert_eq!(result, Err(ReadMessageError::Api(unauthenticated())));
}

#[rstest]
#[case::before_renewal_is_due(NOT_DUE)]
#[case::when_renewal_is_due(DUE)]
#[tokio::test]
async fn requires_login_when_refused_token_has_no_refresh_token(#[case] after: TimeDelta) {
    let api = api_failing(unauthenticated());
    let session = session_without_refresh_token();
    let (result, failures, browser) =
        run(&api, &MockIdentityProvider::new(), &session, after).await;
    assert_eq!(result, Err(ReadMessageError::LoginRequired));
    assert_eq!(failures, []);
    assert!(is_logged_in(&browser).await);
}

#[tokio::test]
async fn uses_expiring_token_that_has_no_refresh_token() {
    let (api, identity) = (api_accepting("access-token"), MockIdentityProvider::new());
    let (result, ..) = run(&api, &identity, &session_without_refresh_token(), DUE).await;
    assert_eq!(result, Ok(message()));
}

#[tokio::test]
async fn uses_token_before_renewal_is_due() {
    let (api, identity) = (api_accepting("access-token"), MockIdentityProvider::new());
    let (result, ..) = run(&api, &identity, &session(), NOT_DUE).await;
    assert_eq!(result, Ok(message()));
}

#[tokio::test]
async fn renews_token_first_that_is_about_to_expire() {
    let mut api = MockMessageApi::new();
    api.expect_read()
        .once()
        .withf(|_, reader| {
            reader.as_ref().is_some_and(|it| it.access_token == AccessToken::new("newer"))
        })
        .returning(|_, _| Ok(message()));
    let (result, failures, browser) = run(&api, &provider(Ok(())), &session(), DUE).await;
    assert_eq!(result, Ok(message()));
    assert_eq!(failures, []);
    let saved = browser.current().await.unwrap().unwrap();
    assert_eq!(saved.tokens().access_token, AccessToken::new("newer"));
}

#[tokio::test]
async fn passes_refusal_of_token_on_that_was_renewed_first() {
    let api = api_failing(unauthenticated());
    let (result, ..) = run(&api, &provider(Ok(())), &session(), DUE).await;
    assert_eq!(result, Err(ReadMessageError::Api(unauthenticated())));
}

#[tokio::test]
async fn renews_token_that_api_refuses() {
    let api = api_accepting("newer");
    let (result, failures, _) = run(&api, &provider(Ok(())), &session(), NOT_DUE).await;
    assert_eq!(result, Ok(message()));
    assert_eq!(failures, []);
}

#[tokio::test]
async fn renews_refused_token_only_once() {
    let mut api = MockMessageApi::new();
    api.expect_read().times(2).returning(|_, _| Err(unauthenticated()));
    let (result, ..) = run(&api, &provider(Ok(())), &session(), NOT_DUE).await;
    assert_eq!(result, Err(ReadMessageError::Api(unauthenticated())));
}

#[tokio::test]
async fn uses_old_token_when_renewal_is_unavailable() {
    let cause = RefreshError::ProviderFault("500".into());
    let (api, identity) = (api_accepting("access-token"), provider(Err(cause.clone())));
    let (result, failures, browser) = run(&api, &identity, &session(), DUE).await;
    assert_eq!(result, Ok(message()));
    assert_eq!(failures, [cause]);
    assert_eq!(browser.current().await, Ok(Some(session())));
}

#[tokio::test]
async fn passes_error_of_api_on_when_renewal_is_unavailable() {
    let identity = provider(Err(RefreshError::ProviderFault("500".into())));
    let denied = refused(RefusalReason::PermissionDenied);
    let (result, ..) = run(&api_failing(denied.clone()), &identity, &session(), DUE).await;
    assert_eq!(result, Err(ReadMessageError::Api(denied)));
}

#[rstest]
#[case::fault_before_refusal(RefreshError::ProviderFault("500".into()), DUE)]
#[case::fault_after_refusal(RefreshError::ProviderFault("500".into()), NOT_DUE)]
#[case::timeout_before_refusal(RefreshError::ProviderTimeout("10 s".into()), DUE)]
#[case::timeout_after_refusal(RefreshError::ProviderTimeout("10 s".into()), NOT_DUE)]
#[tokio::test]
async fn reports_refused_token_that_cannot_be_renewed_now(
    #[case] cause: RefreshError,
    #[case] after: TimeDelta,
) {
    // Asked once, whether before or after the renewal failed.
    let (api, identity) = (api_failing(unauthenticated()), provider(Err(cause.clone())));
    let (result, failures, browser) = run(&api, &identity, &session(), after).await;
    assert_eq!(result, Err(ReadMessageError::RenewalUnavailable(Some(cause.clone()))));
    assert_eq!(failures, [cause]);
    assert_eq!(browser.current().await, Ok(Some(session())));
}

/// The other request tells the operator.
#[rstest]
#[case::before_refusal(DUE)]
#[case::after_refusal(NOT_DUE)]
#[tokio::test]
async fn reports_refused_token_that_another_request_could_not_renew(#[case] after: TimeDelta) {
    let mut sessions = MockSessionStore::new();
    sessions.expect_refresh().once().returning(|_, _| Ok(Some(session())));
    let (api, identity) = (api_failing(unauthenticated()), MockIdentityProvider::new());
    let (result, failures) = run_with(&api, &identity, &sessions, Some(&session()), after).await;
    assert_eq!(result, Err(ReadMessageError::RenewalUnavailable(None)));
    assert_eq!(failures, []);
}

#[rstest]
#[case::renewed_first(DUE)]
#[case::after_refusal(NOT_DUE)]
#[tokio::test]
async fn reports_session_that_provider_ends(#[case] after: TimeDelta) {
    let cause = RefreshError::Refused("invalid_grant".into());
    let (api, identity) = (api_accepting("newer"), provider(Err(cause.clone())));
    let (result, _, browser) = run(&api, &identity, &session(), after).await;
    assert_eq!(result, Err(ReadMessageError::SessionEnded(cause.to_string())));
    assert!(!is_logged_in(&browser).await);
}

#[rstest]
#[case::too_large(no_room())]
#[case::unavailable(sessions_outage().into())]
#[tokio::test]
async fn reports_session_that_cannot_be_saved(#[case] error: SaveSessionError) {
    let mut sessions = MockSessionStore::new();
    let answer = error.clone();
    sessions.expect_refresh().once().returning(move |_, _| Err(answer.clone()));
    let (api, identity) = (MockMessageApi::new(), MockIdentityProvider::new());
    let (result, _) = run_with(&api, &identity, &sessions, Some(&session()), DUE).await;
    assert_eq!(result, Err(ReadMessageError::Save(error)));
}
