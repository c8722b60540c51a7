use async_trait::async_trait;
use portico_domain::{
    model::{Check, RefreshToken, Revocation, SessionSummary, Subject},
    ports::{SessionRegistry, SessionsUnavailable},
};

use super::{Index, ServerSideSessions};

#[async_trait]
impl SessionRegistry for ServerSideSessions {
    async fn list(
        &self,
        subject: &Subject,
    ) -> Result<Option<Vec<SessionSummary>>, SessionsUnavailable> {
        let found = self.backend.find(&Index::of_subject(subject)).await?;
        let sessions = found.iter().filter_map(|(key, sealed)| self.open(key, sealed));
        let mut all: Vec<_> = sessions.map(|(session, _)| session.summary()).collect();
        all.sort_by_key(|session| std::cmp::Reverse((session.seen_at, session.started_at)));
        Ok(Some(all))
    }

    async fn revoke(
        &self,
        revocation: &Revocation,
    ) -> Result<Vec<RefreshToken>, SessionsUnavailable> {
        let mut tokens = Vec::new();
        for (key, sealed) in self.backend.find(&Index::of(revocation)).await? {
            match self.unseal(&key, &sealed) {
                Some((session, _)) if !revocation.covers(&session) => {}
                Some((session, _)) => {
                    self.backend.delete(&key).await?;
                    tokens.extend(session.identity.tokens.refresh_token);
                }
                // No key of this instance opens it, but another instance may have one: it must not
                // outlive the revocation.
                None => self.backend.delete(&key).await?,
            }
        }
        Ok(tokens)
    }

    async fn check(&self) -> Result<(), SessionsUnavailable> {
        self.backend.check().await
    }

    async fn examine(&self) -> Vec<Check> {
        let mut checks = self.backend.examine().await;
        checks.push(Check::passed("cookie size", "one cookie with a random id, of any session"));
        checks
    }
}
