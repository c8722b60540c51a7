use chrono::TimeDelta;
use portico_contracts::{
    Server,
    fakes::{CountingRandomness, InMemoryBrowser, InMemorySite, ManualClock},
    fixtures,
    sessions::Browser,
};
use portico_domain::{
    model::{LoginLoopGuard, Session},
    ports::{
        Clock, LoginAttempts, MockIdentityProvider, MockLoginAttempts, MockSessionStore,
        ProviderUnavailable, SessionStore, SessionsUnavailable,
    },
    use_cases::{LogOut, LogOutOutcome},
};
use rstest::rstest;

use crate::support::{
    attempts_with, expect_revocation, is_logged_in, logged_in, no_randomness, provider_outage,
    session_with_refresh_token, sessions_outage,
};

const END_SESSION_URL: &str = "https://id.example/logout";

/// Answers the request for its end-session address. Must not be asked to revoke anything, unless
/// the test expects it.
fn provider(answer: Result<Option<&str>, ProviderUnavailable>) -> MockIdentityProvider {
    let answer = answer.map(|url| url.map(str::to_owned));
    let mut identity = MockIdentityProvider::new();
    identity
        .expect_end_session_url()
        .once()
        .withf(|identity, state| {
            identity.tokens.id_token == fixtures::identity().tokens.id_token
                && !state.expose().is_empty()
        })
        .return_once(|_, _| answer);
    identity
}

async fn browser_with(session: &Session) -> InMemoryBrowser {
    let browser = InMemoryBrowser::default();
    browser.start(session).await.unwrap();
    browser
}

async fn run(
    identity: &MockIdentityProvider,
    sessions: &dyn SessionStore,
    attempts: &dyn LoginAttempts,
) -> Result<LogOutOutcome, SessionsUnavailable> {
    let randomness = &CountingRandomness::default();
    LogOut { identity, randomness }.run(sessions, attempts).await
}

fn guard() -> LoginLoopGuard {
    let mut guard = LoginLoopGuard::default();
    guard.record_success(ManualClock::default().now());
    guard
}

#[rstest]
#[case::at_provider(Ok(Some(END_SESSION_URL)), LogOutOutcome::AtProvider(END_SESSION_URL.into()))]
#[case::without_end_session_address(Ok(None), LogOutOutcome::LocalOnly)]
#[case::provider_down(
    Err(provider_outage()),
    LogOutOutcome::ProviderUnavailable(provider_outage())
)]
#[tokio::test]
async fn ends_session_whatever_provider_answers(
    #[case] answer: Result<Option<&str>, ProviderUnavailable>,
    #[case] expected: LogOutOutcome,
) {
    let browser = browser_with(&fixtures::session()).await;
    assert_eq!(run(&provider(answer), &browser, &browser).await, Ok(expected));
    assert!(!is_logged_in(&browser).await);
}

/// The browser needs the session at the provider until it has reached the log-out endpoint.
#[rstest]
#[case::a_minute_after_going_to_provider(Ok(Some(END_SESSION_URL)), TimeDelta::minutes(1))]
#[case::at_once_without_end_session_address(Ok(None), TimeDelta::zero())]
#[case::at_once_while_provider_is_down(Err(provider_outage()), TimeDelta::zero())]
#[tokio::test]
async fn revokes_refresh_token(
    #[case] answer: Result<Option<&str>, ProviderUnavailable>,
    #[case] delay: TimeDelta,
) {
    let browser = browser_with(&session_with_refresh_token("refresh-token")).await;
    let mut identity = provider(answer);
    expect_revocation(&mut identity, "refresh-token", delay);
    assert!(run(&identity, &browser, &browser).await.is_ok());
}

#[tokio::test]
async fn resets_loop_guard() {
    let browser = browser_with(&fixtures::session()).await;
    browser.set_loop_guard(&guard()).await;
    assert_eq!(run(&provider(Ok(None)), &browser, &browser).await, Ok(LogOutOutcome::LocalOnly));
    assert!(browser.loop_guard().await.is_empty());
}

#[tokio::test]
async fn saves_no_empty_loop_guard_again() {
    let browser = browser_with(&fixtures::session()).await;
    let attempts = attempts_with(LoginLoopGuard::default());
    assert_eq!(run(&provider(Ok(None)), &browser, &attempts).await, Ok(LogOutOutcome::LocalOnly));
}

#[tokio::test]
async fn visitor_without_session_has_nothing_to_end() {
    let (identity, attempts) = (MockIdentityProvider::new(), MockLoginAttempts::new());
    let done = run(&identity, &InMemoryBrowser::default(), &attempts).await;
    assert_eq!(done, Ok(LogOutOutcome::NotLoggedIn));
}

#[tokio::test]
async fn store_outage_leaves_visitor_logged_in() {
    let mut site = InMemorySite::default();
    let browser: Box<dyn Browser> = logged_in(&site, &fixtures::session()).await;
    browser.set_loop_guard(&guard()).await;
    site.stop().await;
    let failed = run(&MockIdentityProvider::new(), &*browser, &*browser).await;
    assert!(failed.is_err(), "{failed:?}");
    site.start_again().await;
    assert!(is_logged_in(&*browser).await);
    assert_eq!(browser.loop_guard().await, guard());
}

/// A provider that ended its session would not be asked again at the next try.
#[tokio::test]
async fn asks_provider_for_nothing_when_session_cannot_be_ended() {
    let mut sessions = MockSessionStore::new();
    sessions.expect_current().returning(|| Ok(Some(session_with_refresh_token("refresh-token"))));
    sessions.expect_end().once().returning(|| Err(sessions_outage()));
    let (identity, attempts) = (MockIdentityProvider::new(), MockLoginAttempts::new());
    assert_eq!(run(&identity, &sessions, &attempts).await, Err(sessions_outage()));
}

#[tokio::test]
async fn logs_out_without_randomness() {
    let browser = browser_with(&fixtures::session()).await;
    let (identity, randomness) = (provider(Ok(None)), no_randomness());
    let log_out = LogOut { identity: &identity, randomness: &randomness };
    assert_eq!(log_out.run(&browser, &browser).await, Ok(LogOutOutcome::LocalOnly));
    assert!(!is_logged_in(&browser).await);
}
