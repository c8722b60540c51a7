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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ports::MockSessionRegistry, testing};

    fn a_registry_that_is_told(expected: Revocation) -> MockSessionRegistry {
        let mut registry = MockSessionRegistry::new();
        registry.expect_revoke().once().withf(move |r| *r == expected).returning(|_| Ok(()));
        registry
    }

    #[tokio::test]
    async fn people_see_their_own_sessions() {
        let mut registry = MockSessionRegistry::new();
        registry
            .expect_list()
            .once()
            .withf(|issuer, subject| (issuer, subject) == (testing::ISSUER, "user-1"))
            .returning(|_, _| Ok(Some(vec![testing::session().summary()])));
        let sessions = ManageSessions { registry: &registry }.list(&testing::session()).await;
        assert_eq!(sessions, Ok(Some(vec![testing::session().summary()])));
    }

    #[tokio::test]
    async fn people_end_a_session_of_their_own() {
        let id = SessionId::new([9; 32]);
        let registry = a_registry_that_is_told(Revocation::Session {
            issuer: testing::ISSUER.into(),
            subject: "user-1".into(),
            id,
        });
        let ended = ManageSessions { registry: &registry }.end_one(&testing::session(), id).await;
        assert_eq!(ended, Ok(()));
    }

    #[tokio::test]
    async fn people_end_all_sessions_but_the_one_they_use() {
        let registry = a_registry_that_is_told(Revocation::Person {
            issuer: testing::ISSUER.into(),
            subject: "user-1".into(),
            except: Some(testing::session().id),
        });
        let ended = ManageSessions { registry: &registry }.end_others(&testing::session()).await;
        assert_eq!(ended, Ok(()));
    }
}
