use chrono::TimeDelta;

use crate::{
    model::{LogoutTarget, LogoutToken, Revocation},
    ports::{Clock, IdentityProvider, LogoutTokenError, SessionRegistry, SessionsUnavailable},
};

/// How long a logout token that was used is remembered: longer than any is taken
/// ([`IdentityProvider::verify_logout_token`]).
const REMEMBERED: TimeDelta = TimeDelta::minutes(15);

/// The provider ends sessions (OpenID Connect Back-Channel Logout, section 2.5).
pub struct BackChannelLogout<'a> {
    /// Verifies what the provider says.
    pub identity: &'a dyn IdentityProvider,
    /// Ends the sessions.
    pub registry: &'a dyn SessionRegistry,
    /// The time.
    pub clock: &'a dyn Clock,
}

/// Why no session was ended. The text is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackChannelLogoutError {
    /// The logout token is not to be believed.
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
    /// Ends what the logout token names, whether there is anything to end or not.
    ///
    /// # Errors
    /// An [`BackChannelLogoutError`]; with one of the store some sessions may have ended.
    pub async fn run(&self, logout_token: &str) -> Result<(), BackChannelLogoutError> {
        let LogoutToken { issuer, id, target } =
            self.identity.verify_logout_token(logout_token).await?;
        let until = self.clock.now() + REMEMBERED;
        if !self.registry.first_use(&format!("logout token {issuer} {id}"), until).await? {
            return Err(BackChannelLogoutError::Replayed);
        }
        let revocation = match target {
            LogoutTarget::ProviderSession { sid, subject } => {
                Revocation::ProviderSession { issuer, sid, subject }
            }
            LogoutTarget::Person(subject) => Revocation::Person { issuer, subject, except: None },
        };
        Ok(self.registry.revoke(&revocation).await?)
    }
}
