use crate::{
    model::{AuthorizationParameters, CodeVerifier, LoginAttempt, NextPage, Nonce, Screen, State},
    ports::{
        Clock, IdentityProvider, LoginAttempts, ProviderUnavailable, Randomness,
        RandomnessUnavailable, SessionStore, SessionsUnavailable,
    },
};

use super::random_text;

/// Sends a visitor to the provider to log in or to sign up.
pub struct BeginLogin<'a> {
    /// Builds the authorization request.
    pub identity: &'a dyn IdentityProvider,
    /// Dates the attempt.
    pub clock: &'a dyn Clock,
    /// Makes `state`, `nonce` and `code_verifier`.
    pub randomness: &'a dyn Randomness,
}

/// The log-in that the visitor requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginRequest {
    /// The page of the provider.
    pub screen: Screen,
    /// The page to go to afterwards.
    pub next: NextPage,
    /// Further parameters of the authorization request.
    pub parameters: AuthorizationParameters,
    /// Whether to log in again although a session exists, because its tokens are of no more use.
    pub renew: bool,
}

/// Where the browser goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BeginLoginOutcome {
    /// To the provider's authorization endpoint.
    AtProvider(String),
    /// The visitor is logged in: straight to the page.
    AlreadyLoggedIn(NextPage),
}

/// Why no log-in was started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BeginLoginError {
    /// The browser's log-ins succeed, and it comes back without a session each time.
    #[error("several log-ins succeeded within a minute and left the browser without a session")]
    Loop,
    /// The provider's metadata cannot be read.
    #[error(transparent)]
    Provider(#[from] ProviderUnavailable),
    /// The attempt cannot be remembered, or the session cannot be read.
    #[error(transparent)]
    Sessions(#[from] SessionsUnavailable),
    /// There are no random bytes.
    #[error(transparent)]
    Randomness(#[from] RandomnessUnavailable),
}

impl BeginLogin<'_> {
    /// Makes and remembers an attempt, and returns where the browser goes.
    ///
    /// # Errors
    /// A [`BeginLoginError`]; no attempt is remembered and no request was pushed to the provider.
    pub async fn run(
        &self,
        sessions: &dyn SessionStore,
        attempts: &dyn LoginAttempts,
        request: LoginRequest,
    ) -> Result<BeginLoginOutcome, BeginLoginError> {
        let LoginRequest { screen, next, parameters, renew } = request;
        if sessions.current().await?.is_none() {
            let before = attempts.loop_guard().await;
            let mut guard = before.clone();
            let is_loop = guard.record_return(self.clock.now());
            if guard != before {
                attempts.set_loop_guard(&guard).await;
            }
            if is_loop {
                return Err(BeginLoginError::Loop);
            }
        } else if !renew && (screen == Screen::SignUp || !parameters.require_login()) {
            return Ok(BeginLoginOutcome::AlreadyLoggedIn(next));
        }
        let attempt = LoginAttempt {
            state: State::new(random_text(self.randomness)?),
            nonce: Nonce::new(random_text(self.randomness)?),
            code_verifier: CodeVerifier::new(random_text(self.randomness)?),
            next,
            requested: parameters,
            started_at: self.clock.now(),
        };
        let url = self.identity.authorization_url(&attempt, screen).await?;
        attempts.remember(&attempt).await?;
        Ok(BeginLoginOutcome::AtProvider(url))
    }
}
