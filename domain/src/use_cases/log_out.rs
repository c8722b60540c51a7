use crate::{
    model::State,
    ports::{IdentityProvider, ProviderUnavailable, Randomness, SessionStore, SessionsUnavailable},
};

use super::random_text;

/// Ends a person's session, here first and then at the provider.
pub struct LogOut<'a> {
    /// Says where its own session is ended.
    pub identity: &'a dyn IdentityProvider,
    /// Makes the `state` of the log-out request.
    pub randomness: &'a dyn Randomness,
}

/// What became of it. The session on this site is over in every case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogOutOutcome {
    /// There was no session.
    NotLoggedIn,
    /// The browser goes to the provider, which ends its own session and sends it back.
    AtProvider(String),
    /// The provider has no place to end its session: the person may still be signed in there.
    LocalOnly,
    /// The provider cannot be asked: the person may still be signed in there.
    ProviderUnavailable(ProviderUnavailable),
}

impl LogOut<'_> {
    /// Ends the session.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach; the person is still signed in then.
    pub async fn run(
        &self,
        sessions: &dyn SessionStore,
    ) -> Result<LogOutOutcome, SessionsUnavailable> {
        let Some(session) = sessions.current().await? else {
            return Ok(LogOutOutcome::NotLoggedIn);
        };
        // First here: whatever happens at the provider, this site has forgotten the person.
        sessions.end().await?;
        if let Some(token) = &session.tokens.refresh_token {
            // Whatever comes of it, the person has logged out; the log-out below says what is wrong.
            let _ = self.identity.revoke(token).await;
        }
        // Some providers come back only when the request carried a `state`. Nothing hangs on its
        // value, so that a machine without chance can still log people out.
        let state = State::new(random_text(self.randomness).unwrap_or_else(|_| "logout".into()));
        let url = self.identity.end_session_url(Some(session.tokens.id_token), &state).await;
        Ok(match url {
            Ok(Some(url)) => LogOutOutcome::AtProvider(url),
            Ok(None) => LogOutOutcome::LocalOnly,
            Err(cause) => LogOutOutcome::ProviderUnavailable(cause),
        })
    }
}
