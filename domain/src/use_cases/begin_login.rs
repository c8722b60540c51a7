use crate::{
    model::{AuthorizationParameters, CodeVerifier, LoginAttempt, NextPage, Nonce, Screen, State},
    ports::{
        Clock, IdentityProvider, ProviderUnavailable, Randomness, RandomnessUnavailable,
        SessionStore, SessionsUnavailable,
    },
};

use super::random_text;

/// Sends a person to the provider, to sign in or to make an account.
pub struct BeginLogin<'a> {
    /// Says where to.
    pub identity: &'a dyn IdentityProvider,
    /// Dates the attempt.
    pub clock: &'a dyn Clock,
    /// Makes `state`, `nonce` and `code_verifier`.
    pub randomness: &'a dyn Randomness,
}

/// Where the browser goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// To the provider's authorization endpoint.
    AtProvider(String),
    /// The person is signed in: straight to the page.
    AlreadySignedIn(NextPage),
}

/// Why nobody was sent to the provider.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BeginLoginError {
    /// The provider's metadata cannot be had.
    #[error(transparent)]
    Provider(#[from] ProviderUnavailable),
    /// The attempt cannot be remembered.
    #[error(transparent)]
    Sessions(#[from] SessionsUnavailable),
    /// There is no chance to be had.
    #[error(transparent)]
    Randomness(#[from] RandomnessUnavailable),
}

impl BeginLogin<'_> {
    /// Makes and remembers an attempt, and answers where the browser goes.
    ///
    /// # Errors
    /// A [`BeginLoginError`] for each part of the world that is missing. Nothing is remembered
    /// when the provider is unavailable.
    pub async fn run(
        &self,
        sessions: &dyn SessionStore,
        screen: Screen,
        next: NextPage,
        asked: AuthorizationParameters,
    ) -> Result<Begun, BeginLoginError> {
        // Who is asked to sign in anew would come here again and again without going there.
        if !asked.ask_for_a_login() && sessions.current().await?.is_some() {
            return Ok(Begun::AlreadySignedIn(next));
        }
        let attempt = LoginAttempt {
            state: State::new(random_text(self.randomness)?),
            nonce: Nonce::new(random_text(self.randomness)?),
            code_verifier: CodeVerifier::new(random_text(self.randomness)?),
            next,
            asked,
            started_at: self.clock.now(),
        };
        let url = self.identity.authorization_url(&attempt, screen).await?;
        sessions.remember(&attempt).await?;
        Ok(Begun::AtProvider(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ports::{MockIdentityProvider, MockRandomness, MockSessionStore},
        testing::{self, CountingRandomness, SetClock},
    };

    async fn run(
        identity: MockIdentityProvider,
        randomness: &dyn Randomness,
        sessions: MockSessionStore,
        screen: Screen,
    ) -> Result<Begun, BeginLoginError> {
        let next = NextPage::parse("/protected?a=b").unwrap();
        let clock = SetClock::default();
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
            let Ok(Begun::AtProvider(url)) = begun else { panic!("{begun:?}") };
            assert!(url.starts_with(&format!("https://id.example/?{screen:?}&")));
        }
    }

    #[tokio::test]
    async fn who_is_signed_in_already_goes_straight_to_the_page() {
        let mut sessions = MockSessionStore::new();
        sessions.expect_current().returning(|| Ok(Some(testing::session())));
        let begun = run(
            MockIdentityProvider::new(),
            &CountingRandomness::default(),
            sessions,
            Screen::LogIn,
        )
        .await;
        assert_eq!(begun, Ok(Begun::AlreadySignedIn(NextPage::parse("/protected?a=b").unwrap())));
    }

    #[tokio::test]
    async fn nothing_is_remembered_while_the_provider_is_down() {
        let mut identity = MockIdentityProvider::new();
        let down = ProviderUnavailable("connection refused".into());
        let answer = down.clone();
        identity.expect_authorization_url().returning(move |_, _| Err(answer.clone()));
        let begun =
            run(identity, &CountingRandomness::default(), a_stranger(), Screen::LogIn).await;
        assert_eq!(begun, Err(BeginLoginError::Provider(down)));
    }

    #[tokio::test]
    async fn a_store_that_is_down_is_said_so() {
        let down = SessionsUnavailable("gone".into());
        let answer = down.clone();
        let mut sessions = MockSessionStore::new();
        sessions.expect_current().returning(move || Err(answer.clone()));
        let begun =
            run(a_provider(), &CountingRandomness::default(), sessions, Screen::LogIn).await;
        assert_eq!(begun, Err(BeginLoginError::Sessions(down.clone())));

        let answer = down.clone();
        let mut sessions = a_stranger();
        sessions.expect_remember().returning(move |_| Err(answer.clone()));
        let begun =
            run(a_provider(), &CountingRandomness::default(), sessions, Screen::LogIn).await;
        assert_eq!(begun, Err(BeginLoginError::Sessions(down)));
    }

    #[tokio::test]
    async fn without_chance_nobody_is_sent_anywhere() {
        let none = RandomnessUnavailable("no entropy".into());
        let answer = none.clone();
        let mut randomness = MockRandomness::new();
        randomness.expect_bytes().returning(move || Err(answer.clone()));
        let begun =
            run(MockIdentityProvider::new(), &randomness, a_stranger(), Screen::LogIn).await;
        assert_eq!(begun, Err(BeginLoginError::Randomness(none)));
    }
}
