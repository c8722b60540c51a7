use super::revoke_sessions::revoke_sessions;
use crate::{
    model::{Revocation, Session, SessionId, SessionSummary},
    ports::{IdentityProvider, SessionRegistry, SessionsUnavailable},
};

/// Lists a user's sessions and ends them: the user's own, never another user's.
pub struct ManageSessions<'a> {
    /// Lists and ends sessions.
    pub registry: &'a dyn SessionRegistry,
    /// Revokes the tokens of ended sessions.
    pub identity: &'a dyn IdentityProvider,
}

impl ManageSessions<'_> {
    /// The user's sessions, the latest seen first. `None` where the store cannot list them.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach.
    pub async fn list(
        &self,
        own: &Session,
    ) -> Result<Option<Vec<SessionSummary>>, SessionsUnavailable> {
        self.registry.list(own.subject()).await
    }

    /// Ends one of the user's sessions. Does nothing if it is another user's or does not exist.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach.
    pub async fn end_one(&self, own: &Session, id: SessionId) -> Result<(), SessionsUnavailable> {
        // A store that cannot list sessions would have to remember an id that it never issued.
        let exists = match self.list(own).await? {
            _ if id == own.id => true,
            Some(sessions) => sessions.iter().any(|session| session.id == id),
            None => false,
        };
        if !exists {
            return Ok(());
        }
        let revocation = Revocation::Session { subject: own.subject().clone(), id };
        revoke_sessions(self.registry, Some(self.identity), &revocation).await
    }

    /// Ends all of the user's sessions but this one.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach.
    pub async fn end_others(&self, own: &Session) -> Result<(), SessionsUnavailable> {
        let revocation = Revocation::User { subject: own.subject().clone(), except: Some(own.id) };
        revoke_sessions(self.registry, Some(self.identity), &revocation).await
    }
}
