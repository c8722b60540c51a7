use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::model::{Check, Permissions, Profile, Subject, User};

/// The users who have logged in.
///
/// Issuer and subject are compared byte by byte and never rewritten.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait UserRepository: Send + Sync {
    /// Records a log-in: creates the record at the first one, updates profile and `last_login` and
    /// counts at each later one. Atomic: simultaneous log-ins are all counted. `last_login` never
    /// moves back.
    ///
    /// # Errors
    /// [`UsersUnavailable`] when the storage is out of reach or refuses the values.
    async fn record_login(
        &self,
        subject: &Subject,
        profile: &Profile,
        now: DateTime<Utc>,
    ) -> Result<User, UsersUnavailable>;

    /// Replaces the recorded permissions of a user. Creates no record: without one, nothing happens.
    /// [`UserRepository::record_login`] leaves them as they are.
    ///
    /// # Errors
    /// [`UsersUnavailable`] when the storage is out of reach.
    async fn record_permissions(
        &self,
        subject: &Subject,
        permissions: &Permissions,
    ) -> Result<(), UsersUnavailable>;

    /// The user's record; `None` where the user never logged in.
    ///
    /// # Errors
    /// [`UsersUnavailable`] when the storage is out of reach.
    async fn find(&self, subject: &Subject) -> Result<Option<User>, UsersUnavailable>;

    /// At most `limit` users, the latest log-in first.
    ///
    /// # Errors
    /// [`UsersUnavailable`] when the storage is out of reach.
    async fn list(&self, limit: u32) -> Result<Vec<User>, UsersUnavailable>;

    /// Deletes the user's record. False where there was none.
    ///
    /// # Errors
    /// [`UsersUnavailable`] when the storage is out of reach.
    async fn delete(&self, subject: &Subject) -> Result<bool, UsersUnavailable>;

    /// Checks that the storage can be written, by a write that leaves nothing behind but, at most, one
    /// row or value that is always the same.
    ///
    /// # Errors
    /// [`UsersUnavailable`] with the cause.
    async fn check(&self) -> Result<(), UsersUnavailable>;

    /// Tries what user records need of the storage, for `portico check`.
    async fn examine(&self) -> Vec<Check> {
        vec![Check::of("writable", "a row was written", self.check().await)]
    }
}

/// The user storage is out of reach, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the user storage is unavailable: {0}")]
pub struct UsersUnavailable(pub String);
