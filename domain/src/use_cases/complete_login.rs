use chrono::TimeDelta;

use crate::{
    model::{Callback, EntryRefusal, EntryRules, NextPage, ProviderRefusal, Session, SessionId},
    ports::{
        Clock, IdentityProvider, LoginAttempts, Randomness, RandomnessUnavailable, RedeemError,
        SaveSessionError, SessionStore, SessionsUnavailable, UserRepository, UsersUnavailable,
    },
};

/// Logs in the visitor who comes back from the provider.
pub struct CompleteLogin<'a> {
    /// Redeems the code.
    pub identity: &'a dyn IdentityProvider,
    /// Records the log-in.
    pub users: &'a dyn UserRepository,
    /// Dates the log-in.
    pub clock: &'a dyn Clock,
    /// Makes the session id.
    pub randomness: &'a dyn Randomness,
    /// Who may log in.
    pub rules: &'a EntryRules,
}

/// Why the log-in failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// This browser began no log-in with this `state`, or has completed it.
    #[error("unknown or used state")]
    NoAttempt,
    /// The log-in took longer than ten minutes.
    #[error("the log-in was started more than ten minutes ago")]
    Expired,
    /// The provider answered with an error.
    #[error("the provider answered {0}")]
    Refused(ProviderRefusal),
    /// The provider answered with an error and named no issuer, although its metadata announce one,
    /// as some providers do in error responses only. Nothing of the response is to be shown.
    #[error("an error response without the announced issuer (RFC 9207), not verified: {0}")]
    UnverifiedRefusal(ProviderRefusal),
    /// The code could not be redeemed.
    #[error(transparent)]
    Redeem(#[from] RedeemError),
    /// The user may not log in here. Nothing of the user was stored.
    #[error("the user may not log in: {0}")]
    NotAllowed(#[from] EntryRefusal),
    /// The session cannot be saved.
    #[error(transparent)]
    Save(#[from] SaveSessionError),
    /// The session store is out of reach.
    #[error(transparent)]
    Sessions(#[from] SessionsUnavailable),
    /// The user storage is out of reach.
    #[error(transparent)]
    Users(#[from] UsersUnavailable),
    /// There are no random bytes.
    #[error(transparent)]
    Randomness(#[from] RandomnessUnavailable),
}

/// A log-in that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct FailedLogin {
    /// Why.
    pub cause: LoginError,
    /// The page that the visitor wanted; `None` where no attempt tells it.
    pub next: Option<NextPage>,
}

impl CompleteLogin<'_> {
    /// Returns the page that the visitor wanted. `device` describes the browser, for the list of
    /// sessions. A repeated or stale callback of a visitor who is logged in leads to the profile: a
    /// reloaded page or a second click is no mistake.
    ///
    /// # Errors
    /// A [`FailedLogin`]; no session is started, and an earlier one goes on.
    pub async fn run(
        &self,
        sessions: &dyn SessionStore,
        attempts: &dyn LoginAttempts,
        callback: Callback,
        device: &str,
    ) -> Result<NextPage, FailedLogin> {
        let mut next = None;
        let done = self.complete(sessions, attempts, callback, device, &mut next).await;
        done.map_err(|cause| FailedLogin { cause, next })
    }

    /// Notes the wanted page in `next` as soon as it is known.
    async fn complete(
        &self,
        sessions: &dyn SessionStore,
        attempts: &dyn LoginAttempts,
        callback: Callback,
        device: &str,
        next: &mut Option<NextPage>,
    ) -> Result<NextPage, LoginError> {
        // Before the code is spent: with the storage down the callback can be repeated.
        self.users.check().await?;
        // Taken before anything else can fail: an attempt is valid for one callback.
        let attempt = attempts.take(&callback.state).await?;
        *next = attempt.as_ref().map(|attempt| attempt.next.clone());
        let attempt = match attempt {
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
                return Err(match self.identity.verify_issuer(refusal.issuer.clone()).await {
                    Ok(()) => match self.identity.settings_behind(&refusal.error) {
                        Some(settings) => {
                            let cause =
                                format!("the provider answered {refusal}; check {settings}");
                            RedeemError::Misconfigured(cause).into()
                        }
                        None => LoginError::Refused(refusal),
                    },
                    Err(RedeemError::MissingIssuer) => LoginError::UnverifiedRefusal(refusal),
                    Err(error) => error.into(),
                });
            }
        };
        let identity = self.identity.redeem(&response, &attempt).await?;
        if let Err(refusal) = self.rules.check(&identity.claims.to_map()) {
            // Nobody will use it.
            if let Some(token) = &identity.tokens.refresh_token {
                self.identity.revoke(token, TimeDelta::zero()).await;
            }
            return Err(refusal.into());
        }
        let id = SessionId::new(self.randomness.bytes()?);
        let now = self.clock.now();
        self.users.record_login(&identity.subject, &identity.profile(), now).await?;
        self.users.record_permissions(&identity.subject, &identity.permissions).await?;
        sessions.start(&Session::new(id, device, identity, now)).await?;
        let mut guard = attempts.loop_guard().await;
        guard.record_success(now);
        attempts.set_loop_guard(&guard).await;
        Ok(attempt.next)
    }
}
