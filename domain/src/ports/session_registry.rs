use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::SessionsUnavailable;
use crate::model::{Revocation, SessionSummary};

/// All sessions of the site: for those who end other sessions than their own visitor's.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait SessionRegistry: Send + Sync {
    /// The person's sessions, the latest seen first. `None` where they are kept in the visitors'
    /// cookies, so that nobody can list them.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach.
    async fn list(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<Vec<SessionSummary>>, SessionsUnavailable>;

    /// Ends the sessions that are meant and exist now, whether there are any or not: at once in
    /// this process, and within 5 seconds in every other. It outlasts a restart.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach; some may have ended.
    async fn revoke(&self, revocation: &Revocation) -> Result<(), SessionsUnavailable>;

    /// Notes a value that is good once, such as the `jti` of a logout token (OpenID Connect
    /// Back-Channel Logout, section 2.6). True for the first who asks, in whatever process; false
    /// for all others until then.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach: nobody knows.
    async fn first_use(
        &self,
        value: &str,
        until: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable>;

    /// Tries whether the store answers.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] with the cause.
    async fn check(&self) -> Result<(), SessionsUnavailable>;
}
