use chrono::TimeDelta;

use super::revoke_sessions::revoke_sessions;
use crate::{
    model::{Revocation, Session},
    ports::{IdentityProvider, RedeemError, SessionRegistry, SessionStore, SessionsUnavailable},
};

/// The provider ends a session through the browser (OpenID Connect Front-Channel Logout, section
/// 2): it loads the site in a frame of its log-out page.
///
/// Browsers send no `SameSite=Lax` cookies into frames of other sites, so the session is also found
/// by the provider's `sid`.
pub struct FrontChannelLogout<'a> {
    /// Checks the issuer, revokes tokens.
    pub identity: &'a dyn IdentityProvider,
    /// The visitor's own session, where the cookies were sent.
    pub sessions: &'a dyn SessionStore,
    /// Ends the session wherever it is.
    pub registry: &'a dyn SessionRegistry,
}

/// Why no session was ended. The text is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrontChannelLogoutError {
    /// Another issuer is named, or it cannot be checked.
    #[error(transparent)]
    Issuer(#[from] RedeemError),
    /// The store is out of reach.
    #[error(transparent)]
    Sessions(#[from] SessionsUnavailable),
}

impl FrontChannelLogout<'_> {
    /// Ends the sessions that were started from the provider's session `sid`, if there are any.
    /// Anybody can send this request, so a store must remember no `sid` of which it has no session.
    ///
    /// # Errors
    /// A [`FrontChannelLogoutError`]. After an error of the store some sessions may have ended; the
    /// call can be repeated.
    pub async fn run(&self, iss: &str, sid: &str) -> Result<(), FrontChannelLogoutError> {
        self.identity.verify_issuer(Some(iss.to_owned())).await?;
        let is_named = |session: &Session| {
            session.subject().issuer == iss
                && session.identity.provider_session_id.as_deref() == Some(sid)
        };
        if let Some(session) = self.sessions.current().await?.filter(is_named) {
            self.sessions.end().await?;
            // The registry does not return it: the session has ended, or only the browser had it.
            if let Some(token) = &session.tokens().refresh_token {
                self.identity.revoke(token, TimeDelta::zero()).await;
            }
        }
        let (issuer, sid) = (iss.to_owned(), sid.to_owned());
        let revocation = Revocation::ProviderSession { issuer, sid, subject: None };
        Ok(revoke_sessions(self.registry, Some(self.identity), &revocation).await?)
    }
}
