//! Where sessions are kept on the server's side: what the visitors' store and the registry need of
//! a database or of Redis.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use portico_domain::{
    model::{Revocation, Session},
    ports::SessionsUnavailable,
};
use sha2::{Digest, Sha256};

/// A SHA-256 hash.
pub(crate) type Hash = [u8; 32];

/// One session, as it is kept.
pub(crate) struct Kept {
    /// Of what the browser holds.
    pub(crate) key: Hash,
    pub(crate) person: Hash,
    pub(crate) provider_session_id: Option<Hash>,
    pub(crate) sealed: Vec<u8>,
    /// When nobody can use it any more.
    pub(crate) expires_at: DateTime<Utc>,
    /// When this was written down.
    pub(crate) now: DateTime<Utc>,
}

/// Sessions by their key. Absence is no error.
#[async_trait]
pub(crate) trait Vault: Once {
    /// Keeps it under a key that is new.
    async fn put(&self, kept: &Kept) -> Result<(), SessionsUnavailable>;

    async fn get(&self, key: &Hash) -> Result<Option<Vec<u8>>, SessionsUnavailable>;

    /// Replaces it if `old` is what is still there, and says whether it was.
    async fn swap(&self, old: &[u8], kept: &Kept) -> Result<bool, SessionsUnavailable>;

    async fn delete(&self, key: &Hash) -> Result<(), SessionsUnavailable>;

    /// Keys and contents of what the index leads to.
    async fn find(&self, by: &Index) -> Result<Vec<(Hash, Vec<u8>)>, SessionsUnavailable>;

    /// Leases it until then, unless it is leased or gone, and says whether it did.
    async fn lease(
        &self,
        key: &Hash,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable>;

    async fn is_leased(&self, key: &Hash, now: DateTime<Utc>) -> Result<bool, SessionsUnavailable>;

    async fn release(&self, key: &Hash) -> Result<(), SessionsUnavailable>;

    /// Forgets what has expired, where nothing else does.
    async fn sweep(&self, now: DateTime<Utc>) -> Result<(), SessionsUnavailable>;

    async fn check(&self) -> Result<(), SessionsUnavailable>;
}

/// Values that are good once.
#[async_trait]
pub(crate) trait Once: Send + Sync {
    /// True for the first who asks, in whatever process; false for all others until then.
    async fn first(
        &self,
        value: &Hash,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable>;
}

/// A revocation, and what the list needs to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: [u8; 16],
    pub(crate) revocation: Revocation,
    pub(crate) revoked_at: DateTime<Utc>,
    /// When no session can be left that it covers.
    pub(crate) expires_at: DateTime<Utc>,
}

/// The revocations that all instances share.
#[async_trait]
pub(crate) trait RevocationLog: Once {
    async fn add(&self, entry: &Entry) -> Result<(), SessionsUnavailable>;

    /// Those that were added since then.
    async fn since(&self, then: DateTime<Utc>) -> Result<Vec<Entry>, SessionsUnavailable>;

    /// Forgets what has expired.
    async fn sweep(&self, now: DateTime<Utc>) -> Result<(), SessionsUnavailable>;

    async fn check(&self) -> Result<(), SessionsUnavailable>;
}

/// Which sessions to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Index {
    Person(Hash),
    ProviderSession(Hash),
}

impl Index {
    /// Where the sessions are that the revocation covers, and others perhaps.
    pub(crate) fn of(revocation: &Revocation) -> Self {
        match revocation {
            Revocation::Session { issuer, subject, .. }
            | Revocation::Person { issuer, subject, .. } => {
                Self::Person(hash_of(["person", issuer, subject]))
            }
            Revocation::ProviderSession { issuer, sid, .. } => {
                Self::ProviderSession(hash_of(["sid", issuer, sid]))
            }
        }
    }
}

impl Kept {
    pub(crate) fn new(
        key: Hash,
        session: &Session,
        sealed: Vec<u8>,
        expires_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Self {
        let sid = session.provider_session_id.as_deref();
        Self {
            key,
            person: hash_of(["person", &session.issuer, &session.subject]),
            provider_session_id: sid.map(|sid| hash_of(["sid", &session.issuer, sid])),
            sealed,
            expires_at,
            now,
        }
    }
}

/// The hash of three texts, each with its length before it: no two triples run together.
pub(crate) fn hash_of(texts: [&str; 3]) -> Hash {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.len().to_be_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}
