use crate::{
    model::{Callback, NextPage, ProviderRefusal, Session, SessionId},
    ports::{
        Clock, IdentityProvider, Randomness, RandomnessUnavailable, RedeemError, SessionStore,
        SessionsUnavailable, UserRepository, UsersUnavailable,
    },
};

/// Makes a signed-in person of one who comes back from the provider.
pub struct CompleteLogin<'a> {
    /// Redeems the code.
    pub identity: &'a dyn IdentityProvider,
    /// Remembers the person.
    pub users: &'a dyn UserRepository,
    /// Dates the login.
    pub clock: &'a dyn Clock,
    /// Makes the session's id.
    pub randomness: &'a dyn Randomness,
}

/// Why nobody was signed in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// This browser began no such login, or it has used it: the `state` is unknown.
    #[error("no login was begun in this browser with that state, or it was used already")]
    NoAttempt,
    /// The person took longer than ten minutes.
    #[error("the login was begun more than ten minutes ago")]
    Expired,
    /// The provider answered with an error.
    #[error("the provider answered {:?}", .0.error)]
    Refused(ProviderRefusal),
    /// The code did not make anyone signed in.
    #[error(transparent)]
    Redeem(#[from] RedeemError),
    /// The session cannot be kept.
    #[error(transparent)]
    Sessions(#[from] SessionsUnavailable),
    /// The person cannot be remembered.
    #[error(transparent)]
    Users(#[from] UsersUnavailable),
    /// No id can be made.
    #[error(transparent)]
    Randomness(#[from] RandomnessUnavailable),
}

impl CompleteLogin<'_> {
    /// Answers the page that the person wanted. `device` says in words where the person is. A callback that is repeated or stale leads to the
    /// profile when the person is signed in: a reloaded page or a second click did nothing wrong.
    ///
    /// # Errors
    /// A [`LoginError`] for each way in which this fails; no session is started then, and a
    /// session that was there before stays.
    pub async fn run(
        &self,
        sessions: &dyn SessionStore,
        callback: Callback,
        device: &str,
    ) -> Result<NextPage, LoginError> {
        // Taken before anything can fail: an attempt is good for one callback.
        let attempt = match sessions.take_attempt(&callback.state).await? {
            None => Err(LoginError::NoAttempt),
            Some(attempt) if attempt.has_expired(self.clock.now()) => Err(LoginError::Expired),
            Some(attempt) => Ok(attempt),
        };
        let attempt = match attempt {
            Ok(attempt) => attempt,
            Err(error) if sessions.current().await?.is_none() => return Err(error),
            Err(_) => return Ok(NextPage::profile()),
        };
        let response = match callback.outcome {
            Ok(response) => response,
            Err(refusal) => {
                self.identity.verify_issuer(refusal.issuer.clone()).await?;
                return Err(LoginError::Refused(refusal));
            }
        };
        let identity = self.identity.redeem(&response, &attempt).await?;
        let id = SessionId::new(self.randomness.bytes()?);
        let now = self.clock.now();
        self.users
            .record_login(&identity.issuer, &identity.subject, &identity.profile, now)
            .await?;
        sessions.start(&Session::new(id, device, identity, now)).await?;
        Ok(attempt.next)
    }
}
