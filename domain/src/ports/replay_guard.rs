use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::SessionsUnavailable;

/// Remembers values that may be used once, across all instances: the `state` of a log-in, the
/// `jti` of a logout token (OpenID Connect Back-Channel Logout, section 2.6).
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait ReplayGuard: Send + Sync {
    /// Whether the value was recorded as used, without recording it.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach.
    async fn was_used(&self, value: &str) -> Result<bool, SessionsUnavailable>;

    /// Records the value as used. True for the first caller in any process; false for every other
    /// one until this time, after which the value may be forgotten.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach: it is not known whether the value
    /// was used before.
    async fn is_first_use(
        &self,
        value: &str,
        until: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable>;
}
