use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::model::{Profile, User};

/// The memory of who signed in.
///
/// People are told apart by issuer and subject, both compared byte by byte and never rewritten.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait UserRepository: Send + Sync {
    /// Notes a login: makes the record at the first one; refreshes profile and `last_login` and
    /// counts at each later one. One atomic step: of two logins at the same instant both count.
    /// `last_login` never goes back.
    ///
    /// # Errors
    /// [`UsersUnavailable`] when the storage is out of reach or refuses the values.
    async fn record_login(
        &self,
        issuer: &str,
        subject: &str,
        profile: &Profile,
        now: DateTime<Utc>,
    ) -> Result<User, UsersUnavailable>;

    /// The record of one person; `None` when that person never signed in.
    ///
    /// # Errors
    /// [`UsersUnavailable`] when the storage is out of reach.
    async fn find(&self, issuer: &str, subject: &str) -> Result<Option<User>, UsersUnavailable>;

    /// At most `limit` people, the latest login first.
    ///
    /// # Errors
    /// [`UsersUnavailable`] when the storage is out of reach.
    async fn list(&self, limit: u32) -> Result<Vec<User>, UsersUnavailable>;

    /// Forgets one person. False when there was nobody to forget.
    ///
    /// # Errors
    /// [`UsersUnavailable`] when the storage is out of reach.
    async fn delete(&self, issuer: &str, subject: &str) -> Result<bool, UsersUnavailable>;

    /// Whether the storage answers.
    ///
    /// # Errors
    /// [`UsersUnavailable`] with the cause.
    async fn check(&self) -> Result<(), UsersUnavailable>;
}

/// The user storage is out of reach, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the user storage is unavailable: {0}")]
pub struct UsersUnavailable(pub String);
