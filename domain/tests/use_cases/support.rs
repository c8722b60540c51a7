//! Values and mocks that the tests of several use cases need.

use chrono::TimeDelta;
use portico_contracts::{
    fakes::InMemorySite,
    fixtures,
    sessions::{Browser, Cookies, Instance},
};
use portico_domain::{
    model::{LoginLoopGuard, RefreshToken, Session},
    ports::{
        MockIdentityProvider, MockLoginAttempts, MockRandomness, ProviderUnavailable,
        RandomnessUnavailable, SaveSessionError, SessionStore, SessionsUnavailable,
        UsersUnavailable,
    },
};

pub(crate) fn sessions_outage() -> SessionsUnavailable {
    SessionsUnavailable("connection refused".into())
}

pub(crate) fn users_outage() -> UsersUnavailable {
    UsersUnavailable("disk full".into())
}

pub(crate) fn provider_outage() -> ProviderUnavailable {
    ProviderUnavailable::Outage("connection refused".into())
}

pub(crate) fn randomness_outage() -> RandomnessUnavailable {
    RandomnessUnavailable("no entropy".into())
}

pub(crate) fn no_room() -> SaveSessionError {
    SaveSessionError::TooLarge { bytes: 40_000, max_bytes: 30_000 }
}

pub(crate) fn no_randomness() -> MockRandomness {
    let mut randomness = MockRandomness::new();
    randomness.expect_bytes().returning(|| Err(randomness_outage()));
    randomness
}

/// The session of the examples with this refresh token.
pub(crate) fn session_with_refresh_token(token: &str) -> Session {
    let mut session = fixtures::session();
    session.identity.tokens.refresh_token = Some(RefreshToken::new(token));
    session
}

/// The session of the examples, started from this session at the provider, which is also the name
/// of its refresh token.
pub(crate) fn session_from(provider_session_id: &str) -> Session {
    let mut session = session_with_refresh_token(provider_session_id);
    session.identity.provider_session_id = Some(provider_session_id.into());
    session
}

/// A browser of the site with this session.
pub(crate) async fn logged_in(site: &InMemorySite, session: &Session) -> Box<dyn Browser> {
    let browser = site.browser(Cookies::new()).await;
    browser.start(session).await.unwrap();
    browser
}

pub(crate) async fn is_logged_in(sessions: &(impl SessionStore + ?Sized)) -> bool {
    sessions.current().await.unwrap().is_some()
}

/// The provider must be told once to revoke this refresh token after this delay.
pub(crate) fn expect_revocation(
    identity: &mut MockIdentityProvider,
    token: &str,
    delay: TimeDelta,
) {
    let expected = (RefreshToken::new(token), delay);
    identity
        .expect_revoke()
        .once()
        .withf(move |token, delay| (token, delay) == (&expected.0, &expected.1))
        .returning(|_, _| ());
}

/// Log-in attempts of a browser with this loop guard; it must not be replaced, and no attempt
/// remembered or taken, unless the test expects it.
pub(crate) fn attempts_with(guard: LoginLoopGuard) -> MockLoginAttempts {
    let mut attempts = MockLoginAttempts::new();
    attempts.expect_loop_guard().returning(move || guard.clone());
    attempts
}
