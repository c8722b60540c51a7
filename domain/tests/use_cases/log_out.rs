use chrono::TimeDelta;
use portico_contracts::{
    fakes::{CountingRandomness, InMemoryBrowser},
    fixtures,
};
use portico_domain::{
    model::{LoginLoopGuard, RefreshToken},
    ports::{
        LoginAttempts, MockIdentityProvider, MockLoginAttempts, MockRandomness, MockSessionStore,
        ProviderUnavailable, RandomnessUnavailable, SessionStore, SessionsUnavailable,
    },
    use_cases::{LogOut, LogOutOutcome},
};

async fn logged_in() -> InMemoryBrowser {
    let browser = InMemoryBrowser::default();
    browser.start(&fixtures::session()).await.unwrap();
    browser
}

fn provider(answer: Result<Option<String>, ProviderUnavailable>) -> MockIdentityProvider {
    let mut identity = MockIdentityProvider::new();
    identity
        .expect_end_session_url()
        .once()
        .withf(|identity, state| {
            identity.subject == fixtures::subject() && !state.expose().is_empty()
        })
        .return_once(|_, _| answer);
    identity
}

async fn run(
    identity: &MockIdentityProvider,
    browser: &InMemoryBrowser,
) -> Result<LogOutOutcome, SessionsUnavailable> {
    let randomness = CountingRandomness::default();
    LogOut { identity, randomness: &randomness }.run(browser, browser).await
}

#[tokio::test]
async fn ends_session_and_goes_on_at_provider() {
    let browser = logged_in().await;
    let url = "https://id.example/logout".to_owned();
    let done = run(&provider(Ok(Some(url.clone()))), &browser).await;
    assert_eq!(done, Ok(LogOutOutcome::AtProvider(url)));
    assert_eq!(browser.current().await, Ok(None));
}

#[tokio::test]
async fn ends_session_when_provider_has_no_log_out() {
    let browser = logged_in().await;
    assert_eq!(run(&provider(Ok(None)), &browser).await, Ok(LogOutOutcome::LocalOnly));
    assert_eq!(browser.current().await, Ok(None));
}

#[tokio::test]
async fn ends_session_while_provider_is_down() {
    let browser = logged_in().await;
    let down = ProviderUnavailable("connection refused".into());
    let done = run(&provider(Err(down.clone())), &browser).await;
    assert_eq!(done, Ok(LogOutOutcome::ProviderUnavailable(down)));
    assert_eq!(browser.current().await, Ok(None));
}

#[tokio::test]
async fn logged_out_visitor_has_nothing_to_end() {
    let done = run(&MockIdentityProvider::new(), &InMemoryBrowser::default()).await;
    assert_eq!(done, Ok(LogOutOutcome::NotLoggedIn));
}

/// A provider that ends its session with the token could not pass the log-out on.
#[tokio::test]
async fn refresh_token_outlives_the_browsers_way_to_the_provider() {
    for (url, expected) in [
        (Some("https://id.example/logout".to_owned()), TimeDelta::minutes(1)),
        (None, TimeDelta::zero()),
    ] {
        let browser = InMemoryBrowser::default();
        let mut session = fixtures::session();
        session.identity.tokens.refresh_token = Some(RefreshToken::new("refresh-token"));
        browser.start(&session).await.unwrap();
        let mut identity = provider(Ok(url));
        identity
            .expect_revoke()
            .once()
            .withf(move |token, delay| token.expose() == "refresh-token" && *delay == expected)
            .return_const(());
        run(&identity, &browser).await.unwrap();
    }
}

#[tokio::test]
async fn resets_login_loop_guard() {
    let browser = logged_in().await;
    let mut guard = LoginLoopGuard::default();
    guard.record_success(fixtures::session().started_at);
    browser.set_loop_guard(&guard).await;
    run(&provider(Ok(None)), &browser).await.unwrap();
    assert!(browser.loop_guard().await.is_empty());
}

#[tokio::test]
async fn reports_store_outage() {
    let down = || SessionsUnavailable("gone".into());
    let mut failing_read = MockSessionStore::new();
    failing_read.expect_current().returning(move || Err(down()));
    let mut failing_end = MockSessionStore::new();
    failing_end.expect_current().returning(|| Ok(Some(fixtures::session())));
    failing_end.expect_end().returning(move || Err(down()));
    for sessions in [failing_read, failing_end] {
        let (identity, randomness) = (MockIdentityProvider::new(), CountingRandomness::default());
        let log_out = LogOut { identity: &identity, randomness: &randomness };
        let done = log_out.run(&sessions, &MockLoginAttempts::new()).await;
        assert_eq!(done, Err(down()));
    }
}

#[tokio::test]
async fn works_without_randomness() {
    let browser = logged_in().await;
    let mut randomness = MockRandomness::new();
    randomness.expect_bytes().returning(|| Err(RandomnessUnavailable("none".into())));
    let identity = provider(Ok(None));
    let log_out = LogOut { identity: &identity, randomness: &randomness };
    assert_eq!(log_out.run(&browser, &browser).await, Ok(LogOutOutcome::LocalOnly));
}
