use chrono::TimeDelta;

use super::revoke_sessions::revoke_sessions;
use crate::{
    model::{LogoutTarget, LogoutToken, Revocation, Subject},
    ports::{
        Clock, IdentityProvider, LogoutTokenError, ReplayGuard, SessionRegistry,
        SessionsUnavailable,
    },
};

/// How long a used logout token is remembered: longer than one is accepted
/// ([`IdentityProvider::verify_logout_token`]).
const REPLAY_WINDOW: TimeDelta = TimeDelta::minutes(15);

/// The provider ends sessions (OpenID Connect Back-Channel Logout, section 2.5).
pub struct BackChannelLogout<'a> {
    /// Verifies the logout token.
    pub identity: &'a dyn IdentityProvider,
    /// Ends the sessions.
    pub registry: &'a dyn SessionRegistry,
    /// Refuses a logout token that was used before.
    pub replay_guard: &'a dyn ReplayGuard,
    /// Dates the use of the logout token.
    pub clock: &'a dyn Clock,
}

/// Why no session was ended. The text is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackChannelLogoutError {
    /// The logout token is not accepted.
    #[error(transparent)]
    Token(#[from] LogoutTokenError),
    /// The logout token was used before.
    #[error("the logout token was used before")]
    Replayed,
    /// The store is out of reach.
    #[error(transparent)]
    Sessions(#[from] SessionsUnavailable),
}

impl BackChannelLogout<'_> {
    /// Ends the sessions that the logout token names, if there are any.
    ///
    /// # Errors
    /// A [`BackChannelLogoutError`]. After an error of the store some sessions may have ended, and
    /// the provider may send the same logout token again.
    pub async fn run(&self, logout_token: &str) -> Result<(), BackChannelLogoutError> {
        let LogoutToken { issuer, id, target } =
            self.identity.verify_logout_token(logout_token).await?;
        let used = format!("logout token {issuer} {id}");
        if self.replay_guard.was_used(&used).await? {
            return Err(BackChannelLogoutError::Replayed);
        }
        let revocation = match target {
            LogoutTarget::ProviderSession { sid, subject } => {
                Revocation::ProviderSession { issuer, sid, subject }
            }
            LogoutTarget::User(subject) => {
                Revocation::User { subject: Subject::new(issuer, subject), except: None }
            }
        };
        revoke_sessions(self.registry, Some(self.identity), &revocation).await?;
        // Marked as used after the sessions have ended: if that fails, the provider's retry must
        // be accepted. Ending them twice does no harm.
        self.replay_guard.is_first_use(&used, self.clock.now() + REPLAY_WINDOW).await?;
        Ok(())
    }
}
