use chrono::TimeDelta;

use crate::{
    model::{LoginLoopGuard, State},
    ports::{
        IdentityProvider, LoginAttempts, ProviderUnavailable, Randomness, SessionStore,
        SessionsUnavailable,
    },
};

use super::random_text;

/// How long the browser has to reach the provider's log-out before the refresh token is revoked: a
/// provider that ends its session with the token could not pass the log-out on to a provider
/// behind it.
const END_SESSION_TIME: TimeDelta = TimeDelta::minutes(1);

/// Ends the visitor's session, here first and then at the provider.
pub struct LogOut<'a> {
    /// Ends the session at the provider.
    pub identity: &'a dyn IdentityProvider,
    /// Makes the `state` of the log-out request.
    pub randomness: &'a dyn Randomness,
}

/// Where the log-out goes on. The session on this site has ended in every case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogOutOutcome {
    /// There was no session.
    NotLoggedIn,
    /// The browser goes to the provider, which ends its own session and sends it back.
    AtProvider(String),
    /// The provider has no log-out endpoint: the user may still be logged in there.
    LocalOnly,
    /// The provider is out of reach: the user may still be logged in there.
    ProviderUnavailable(ProviderUnavailable),
}

impl LogOut<'_> {
    /// Ends the session.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach; the user is still logged in.
    pub async fn run(
        &self,
        sessions: &dyn SessionStore,
        attempts: &dyn LoginAttempts,
    ) -> Result<LogOutOutcome, SessionsUnavailable> {
        let Some(session) = sessions.current().await? else {
            return Ok(LogOutOutcome::NotLoggedIn);
        };
        // Here first: whatever happens at the provider, the session on this site is over.
        sessions.end().await?;
        if !attempts.loop_guard().await.is_empty() {
            attempts.set_loop_guard(&LoginLoopGuard::default()).await;
        }
        // Some providers return only when the request carried a `state`. Nothing depends on its
        // value, so log-out works without random bytes as well.
        let state = State::new(random_text(self.randomness).unwrap_or_else(|_| "logout".into()));
        let url = self.identity.end_session_url(&session.identity, &state).await;
        if let Some(token) = &session.tokens().refresh_token {
            let delay = match &url {
                Ok(Some(_)) => END_SESSION_TIME,
                Ok(None) | Err(_) => TimeDelta::zero(),
            };
            self.identity.revoke(token, delay).await;
        }
        Ok(match url {
            Ok(Some(url)) => LogOutOutcome::AtProvider(url),
            Ok(None) => LogOutOutcome::LocalOnly,
            Err(cause) => LogOutOutcome::ProviderUnavailable(cause),
        })
    }
}
