use crate::{
    model::{Revocation, Session, SessionId, SessionSummary},
    ports::{SessionRegistry, SessionsUnavailable},
};

/// Shows people where they are signed in, and ends what they want ended: their own sessions, never
/// another person's.
pub struct ManageSessions<'a> {
    /// Knows all sessions.
    pub registry: &'a dyn SessionRegistry,
}

impl ManageSessions<'_> {
    /// The person's sessions, the latest seen first. `None` where the site cannot list them.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach.
    pub async fn list(
        &self,
        own: &Session,
    ) -> Result<Option<Vec<SessionSummary>>, SessionsUnavailable> {
        self.registry.list(&own.issuer, &own.subject).await
    }

    /// Ends one of the person's sessions. One that is not theirs, or none, is left alone.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach.
    pub async fn end_one(&self, own: &Session, id: SessionId) -> Result<(), SessionsUnavailable> {
        let (issuer, subject) = (own.issuer.clone(), own.subject.clone());
        self.registry.revoke(&Revocation::Session { issuer, subject, id }).await
    }

    /// Ends all of the person's sessions but this one.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach.
    pub async fn end_others(&self, own: &Session) -> Result<(), SessionsUnavailable> {
        let (issuer, subject) = (own.issuer.clone(), own.subject.clone());
        self.registry.revoke(&Revocation::Person { issuer, subject, except: Some(own.id) }).await
    }
}
