//! What session records need of a database or of Redis.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use portico_domain::{
    model::{Check, Revocation, Session, Subject},
    ports::SessionsUnavailable,
};

use super::super::{Hash, hash_of, replay_guard::UsedValues};

/// A session as the backend keeps it.
pub(in crate::sessions) struct SessionRecord {
    /// The hash of what the browser holds.
    pub(in crate::sessions) key: Hash,
    /// The hash of the user.
    pub(in crate::sessions) subject: Hash,
    /// The hash of the session at the provider.
    pub(in crate::sessions) provider_session: Option<Hash>,
    /// The sealed session.
    pub(in crate::sessions) sealed: Vec<u8>,
    /// When the session expires without a further visit.
    pub(in crate::sessions) expires_at: DateTime<Utc>,
    /// When this record was written.
    pub(in crate::sessions) written_at: DateTime<Utc>,
}

/// Session records by their key. Absence is no error.
#[async_trait]
pub(in crate::sessions) trait SessionBackend: UsedValues {
    /// Inserts a record under a new key.
    async fn insert(&self, record: &SessionRecord) -> Result<(), SessionsUnavailable>;

    /// The sealed session.
    async fn get(&self, key: &Hash) -> Result<Option<Vec<u8>>, SessionsUnavailable>;

    /// Replaces the record if `old` is still its content, and says whether it was.
    async fn replace(
        &self,
        old: &[u8],
        record: &SessionRecord,
    ) -> Result<bool, SessionsUnavailable>;

    /// Deletes the record.
    async fn delete(&self, key: &Hash) -> Result<(), SessionsUnavailable>;

    /// Keys and sealed sessions under an index.
    async fn find(&self, index: &Index) -> Result<Vec<(Hash, Vec<u8>)>, SessionsUnavailable>;

    /// Locks the record for a refresh until this time, unless it is locked or does not exist, and
    /// says whether it did.
    async fn lock_refresh(
        &self,
        key: &Hash,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable>;

    /// Whether the record is locked for a refresh.
    async fn is_refresh_locked(
        &self,
        key: &Hash,
        now: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable>;

    /// Releases the lock.
    async fn unlock_refresh(&self, key: &Hash) -> Result<(), SessionsUnavailable>;

    /// Deletes what has expired, where the backend does not do so by itself.
    async fn delete_expired(&self, now: DateTime<Utc>) -> Result<(), SessionsUnavailable>;

    /// Checks that the backend can be written.
    async fn check(&self) -> Result<(), SessionsUnavailable>;

    /// Tries what sessions need of the backend, for `portico check`.
    async fn examine(&self) -> Vec<Check> {
        vec![Check::of("writable", "a row was written", self.check().await)]
    }
}

/// Which records to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sessions) enum Index {
    /// By the hash of the user.
    Subject(Hash),
    /// By the hash of the session at the provider.
    ProviderSession(Hash),
}

impl Index {
    /// Under which the records of a user are found.
    pub(in crate::sessions) fn of_subject(subject: &Subject) -> Self {
        Self::Subject(subject_hash(subject))
    }

    /// Under which the records that the revocation covers are found, perhaps among others.
    pub(in crate::sessions) fn of(revocation: &Revocation) -> Self {
        match revocation {
            Revocation::Session { subject, .. } | Revocation::User { subject, .. } => {
                Self::of_subject(subject)
            }
            Revocation::ProviderSession { issuer, sid, .. } => {
                Self::ProviderSession(provider_session_hash(issuer, sid))
            }
        }
    }
}

impl SessionRecord {
    pub(in crate::sessions) fn new(
        key: Hash,
        session: &Session,
        sealed: Vec<u8>,
        expires_at: DateTime<Utc>,
        written_at: DateTime<Utc>,
    ) -> Self {
        let sid = session.identity.provider_session_id.as_deref();
        Self {
            key,
            subject: subject_hash(session.subject()),
            provider_session: sid.map(|sid| provider_session_hash(&session.subject().issuer, sid)),
            sealed,
            expires_at,
            written_at,
        }
    }
}

fn subject_hash(subject: &Subject) -> Hash {
    hash_of(&["subject", &subject.issuer, &subject.subject])
}

fn provider_session_hash(issuer: &str, sid: &str) -> Hash {
    hash_of(&["sid", issuer, sid])
}
