use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use portico_domain::ports::{Clock, ReplayGuard, SessionsUnavailable};

use super::{Hash, hash_of};

/// Hashes of used values, in the database or in Redis.
#[async_trait]
pub(super) trait UsedValues: Send + Sync {
    /// Whether the value is recorded and its time is not over.
    async fn is_used(&self, value: &Hash, now: DateTime<Utc>) -> Result<bool, SessionsUnavailable>;

    /// Records the value until this time. True for the first caller in any process.
    async fn record_use(
        &self,
        value: &Hash,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable>;
}

/// The port over [`UsedValues`]: hashes the values and dates their use.
pub(super) struct HashedReplayGuard<T: ?Sized> {
    values: Arc<T>,
    clock: Arc<dyn Clock>,
}

impl<T: ?Sized> HashedReplayGuard<T> {
    pub(super) fn new(values: Arc<T>, clock: Arc<dyn Clock>) -> Self {
        Self { values, clock }
    }
}

#[async_trait]
impl<T: UsedValues + ?Sized> ReplayGuard for HashedReplayGuard<T> {
    async fn was_used(&self, value: &str) -> Result<bool, SessionsUnavailable> {
        self.values.is_used(&hash_of(&["value", value]), self.clock.now()).await
    }

    async fn is_first_use(
        &self,
        value: &str,
        until: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable> {
        self.values.record_use(&hash_of(&["value", value]), self.clock.now(), until).await
    }
}
