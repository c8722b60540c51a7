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
pub enum BeginLoginOutcome {
    /// To the provider's authorization endpoint.
    AtProvider(String),
    /// The person is signed in: straight to the page.
    AlreadyLoggedIn(NextPage),
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
        requested: AuthorizationParameters,
    ) -> Result<BeginLoginOutcome, BeginLoginError> {
        // Who is asked to sign in anew would come here again and again without going there.
        if !requested.require_login() && sessions.current().await?.is_some() {
            return Ok(BeginLoginOutcome::AlreadyLoggedIn(next));
        }
        let attempt = LoginAttempt {
            state: State::new(random_text(self.randomness)?),
            nonce: Nonce::new(random_text(self.randomness)?),
            code_verifier: CodeVerifier::new(random_text(self.randomness)?),
            next,
            requested,
            started_at: self.clock.now(),
        };
        let url = self.identity.authorization_url(&attempt, screen).await?;
        sessions.remember(&attempt).await?;
        Ok(BeginLoginOutcome::AtProvider(url))
    }
}
