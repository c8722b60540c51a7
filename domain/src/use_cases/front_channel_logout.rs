use crate::{
    model::{Revocation, Session},
    ports::{IdentityProvider, RedeemError, SessionRegistry, SessionStore, SessionsUnavailable},
};

/// The provider ends a session by way of the browser (OpenID Connect Front-Channel Logout, section
/// 2).
///
/// It shows the site in a frame of its log-out page. Browsers send no cookies into the frames of
/// other sites, so that the session is found by the provider's own name for it. That name is known
/// to provider, site and person only: whoever has it could have had more.
pub struct FrontChannelLogout<'a> {
    /// Says whether it is the provider who is named.
    pub identity: &'a dyn IdentityProvider,
    /// The visitor's own session, should the cookies have come along.
    pub sessions: &'a dyn SessionStore,
    /// Ends the session wherever it is.
    pub registry: &'a dyn SessionRegistry,
}

/// Why no session was ended. The text is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrontChannelLogoutError {
    /// Another issuer is named, or nobody can tell.
    #[error(transparent)]
    Issuer(#[from] RedeemError),
    /// Too many have asked lately without having the session's cookies.
    #[error("too many ask for log-outs")]
    TooMany,
    /// The store is out of reach.
    #[error(transparent)]
    Sessions(#[from] SessionsUnavailable),
}

impl FrontChannelLogout<'_> {
    /// Ends what came of the session that the provider calls `sid`, whether there is anything to
    /// end or not. `may_revoke` is asked before a session is ended that is not the visitor's: a
    /// store may have to remember every name that it is told.
    ///
    /// # Errors
    /// An [`FrontChannelLogoutError`]; nothing has ended.
    pub async fn run(
        &self,
        iss: &str,
        sid: &str,
        may_revoke: impl FnOnce() -> bool + Send,
    ) -> Result<(), FrontChannelLogoutError> {
        self.identity.verify_issuer(Some(iss.to_owned())).await?;
        let is_meant = |session: &Session| {
            session.issuer == iss && session.provider_session_id.as_deref() == Some(sid)
        };
        if self.sessions.current().await?.as_ref().is_some_and(is_meant) {
            self.sessions.end().await?;
        } else if !may_revoke() {
            return Err(FrontChannelLogoutError::TooMany);
        }
        let (issuer, sid) = (iss.to_owned(), sid.to_owned());
        let revocation = Revocation::ProviderSession { issuer, sid, subject: None };
        Ok(self.registry.revoke(&revocation).await?)
    }
}
