use async_trait::async_trait;

use super::SessionsUnavailable;
use crate::model::{Check, RefreshToken, Revocation, SessionSummary, Subject};

/// All sessions of the site: lists them and ends other sessions than the visitor's own.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait SessionRegistry: Send + Sync {
    /// The user's sessions, the latest seen first. `None` where sessions are kept in the visitors'
    /// cookies and cannot be listed.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach.
    async fn list(
        &self,
        subject: &Subject,
    ) -> Result<Option<Vec<SessionSummary>>, SessionsUnavailable>;

    /// Ends the sessions that the revocation covers and that exist now, if there are any: at once
    /// in this process, within 5 seconds in every other one. It survives a restart. Returns the
    /// refresh tokens of the ended sessions, as far as the store has them, so that they can be
    /// revoked at the provider. A store that remembers revocations remembers only those of sessions
    /// that it started: a front-channel log-out can name any session.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach; some may have ended.
    async fn revoke(
        &self,
        revocation: &Revocation,
    ) -> Result<Vec<RefreshToken>, SessionsUnavailable>;

    /// Checks that the store can be written, by a write that leaves nothing behind but, at most, one
    /// row or value that is always the same.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] with the cause.
    async fn check(&self) -> Result<(), SessionsUnavailable>;

    /// Tries what sessions need of the store, for `portico check`.
    async fn examine(&self) -> Vec<Check> {
        vec![Check::of("writable", "a value was written", self.check().await)]
    }
}
