//! The list of sessions in cookies that have ended before they expire.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use portico_domain::{
    model::{Revocation, Session},
    ports::{Clock, SessionsUnavailable},
};

use super::super::{Hash, hash_of, repeat, replay_guard::UsedValues};

/// How often an instance reads what others have added.
const READ_PERIOD: Duration = Duration::from_secs(2);

/// How often an instance deletes what has expired.
const SWEEP_PERIOD: Duration = Duration::from_secs(60);

/// The clocks of instances may differ by this much, and a transaction may take this long to become
/// visible: each reading starts so far before the previous one.
const READ_OVERLAP: TimeDelta = TimeDelta::seconds(60);

/// Entries are kept this long after the last session that they cover has expired, for clocks that
/// differ.
const MARGIN: TimeDelta = TimeDelta::minutes(5);

/// A list older than this is not trusted: a session that another instance has ended might be
/// accepted.
const MAX_AGE: TimeDelta = TimeDelta::seconds(30);

/// An instance whose list is older than this is not ready.
const MAX_READY_AGE: TimeDelta = TimeDelta::seconds(10);

/// One row of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sessions) struct Entry {
    /// What has ended: the hash of a session, of a user, or of a session at the provider.
    pub(in crate::sessions) key: Hash,
    /// The session of the user that has not ended, if any.
    pub(in crate::sessions) except: Option<[u8; 16]>,
    /// Whether sessions that started after `revoked_at` are not covered.
    pub(in crate::sessions) earlier_only: bool,
    /// To the millisecond.
    pub(in crate::sessions) revoked_at: DateTime<Utc>,
    /// When every session that it covers has expired.
    pub(in crate::sessions) expires_at: DateTime<Utc>,
}

/// Where a reading continues: behind this time and key.
pub(in crate::sessions) type Position = (DateTime<Utc>, Hash);

/// The list that all instances share.
#[async_trait]
pub(in crate::sessions) trait RevocationTable: UsedValues {
    /// Adds the entry, or replaces the one with the same key and exception. Of the entries with one
    /// key only the two newest are kept: the exceptions of two entries differ, so every session is
    /// covered by one of them.
    async fn add_revocation(&self, entry: &Entry) -> Result<(), SessionsUnavailable>;

    /// The next entries behind the position, ordered by time and key; fewer than
    /// [`BATCH`] at the end.
    async fn revocations_after(
        &self,
        position: &Position,
    ) -> Result<Vec<Entry>, SessionsUnavailable>;

    /// Records that a session was started from this session at the provider.
    async fn add_provider_session(
        &self,
        key: &Hash,
        expires_at: DateTime<Utc>,
    ) -> Result<(), SessionsUnavailable>;

    /// Whether a session was started from this session at the provider.
    async fn has_provider_session(&self, key: &Hash) -> Result<bool, SessionsUnavailable>;

    /// Deletes what has expired.
    async fn delete_expired(&self, now: DateTime<Utc>) -> Result<(), SessionsUnavailable>;

    /// Checks that the table can be written.
    async fn check_write(&self) -> Result<(), SessionsUnavailable>;
}

/// Number of entries that are read at once.
pub(in crate::sessions) const BATCH: usize = 10_000;

/// The table, with a copy in memory that is at most some seconds old.
///
/// While the database is out of reach the copy is used for [`MAX_AGE`]; then sessions cannot be
/// read. Before the first reading no session is accepted, because a session that was ended before
/// the restart would be.
pub(super) struct Revocations {
    table: Arc<dyn RevocationTable>,
    clock: Arc<dyn Clock>,
    /// How long a session can last.
    absolute_lifetime: TimeDelta,
    copy: RwLock<Copy>,
    /// Entries that could not be written yet.
    unwritten: Mutex<Vec<Entry>>,
    is_failing: AtomicBool,
}

#[derive(Default)]
struct Copy {
    entries: HashMap<Hash, Vec<Entry>>,
    /// When the table was last read completely.
    read_at: Option<DateTime<Utc>>,
}

impl Revocations {
    /// Reads and sweeps as long as it lives. Needs a Tokio runtime.
    pub(super) fn new(
        table: Arc<dyn RevocationTable>,
        clock: Arc<dyn Clock>,
        absolute_lifetime: TimeDelta,
    ) -> Arc<Self> {
        let revocations = Arc::new(Self {
            table,
            clock,
            absolute_lifetime,
            copy: RwLock::default(),
            unwritten: Mutex::default(),
            is_failing: AtomicBool::new(false),
        });
        repeat(READ_PERIOD, &revocations, |revocations| async move {
            let written = revocations.write_pending().await;
            // Whatever happened to the writing: other instances' entries must be read.
            let read = revocations.read().await;
            revocations.log_change(read.and(written).err());
        });
        repeat(SWEEP_PERIOD, &revocations, |revocations| async move {
            // What is not deleted now is deleted the next time.
            let _ = revocations.table.delete_expired(revocations.clock.now()).await;
        });
        revocations
    }

    /// Whether the session has ended.
    ///
    /// Fails when the copy is too old to tell and the table cannot be read now.
    pub(super) async fn cover(&self, session: &Session) -> Result<bool, SessionsUnavailable> {
        if self.age().is_none_or(|age| age > MAX_AGE) {
            self.read().await?;
        }
        let copy = self.copy();
        let mut entries = keys_of(session).into_iter().filter_map(|key| copy.entries.get(&key));
        Ok(entries.any(|entries| entries.iter().any(|entry| entry.covers(session))))
    }

    /// Ends the sessions that the revocation covers: in this process at once, in every other one
    /// when it reads the table. What cannot be written is written as soon as the database is back.
    pub(super) async fn add(&self, revocation: &Revocation) -> Result<(), SessionsUnavailable> {
        if let Revocation::ProviderSession { issuer, sid, .. } = revocation
            && !self.table.has_provider_session(&provider_session_key(issuer, sid)).await?
        {
            // No session was started from it. Storing whatever is named would let anybody fill
            // the table.
            return Ok(());
        }
        let now = self.clock.now();
        let entry = Entry {
            key: key_of(revocation),
            except: match revocation {
                Revocation::User { except, .. } => except.map(|id| *id.as_bytes()),
                _ => None,
            },
            // A session id is never used again, and a provider that ends a session does not
            // continue it: only a user can log in again. Comparing times for the others would let
            // a slow clock end nothing.
            earlier_only: matches!(revocation, Revocation::User { .. }),
            revoked_at: to_milliseconds(now),
            // Also an instance that does not know of the revocation cannot extend a session
            // beyond its absolute lifetime.
            expires_at: now + self.absolute_lifetime + MARGIN,
        };
        self.copy_mut().insert(entry.clone());
        let added = self.table.add_revocation(&entry).await;
        if added.is_err() {
            self.unwritten().push(entry);
        }
        added
    }

    /// Records that this session was started, so that its session at the provider can end it.
    pub(super) async fn record_start(&self, session: &Session) -> Result<(), SessionsUnavailable> {
        let Some(sid) = &session.identity.provider_session_id else { return Ok(()) };
        let expires_at = session.started_at + self.absolute_lifetime + MARGIN;
        let key = provider_session_key(&session.subject().issuer, sid);
        self.table.add_provider_session(&key, expires_at).await
    }

    /// Checks that the table can be written, and was read lately.
    pub(super) async fn check(&self) -> Result<(), SessionsUnavailable> {
        self.table.check_write().await?;
        if self.age().is_none_or(|age| age > MAX_READY_AGE) {
            self.read().await?;
        }
        Ok(())
    }

    /// Time since the last complete reading; `None` before the first.
    pub(super) fn age(&self) -> Option<TimeDelta> {
        self.copy().read_at.map(|read_at| self.clock.now() - read_at)
    }

    async fn write_pending(&self) -> Result<(), SessionsUnavailable> {
        let pending = self.unwritten().clone();
        for entry in pending {
            // Adding it again is harmless where only the acknowledgement was lost.
            self.table.add_revocation(&entry).await?;
            self.unwritten().retain(|other| *other != entry);
        }
        Ok(())
    }

    async fn read(&self) -> Result<(), SessionsUnavailable> {
        let now = self.clock.now();
        let start = self.copy().read_at.map_or(DateTime::UNIX_EPOCH, |at| at - READ_OVERLAP);
        let mut position = (start, Hash::default());
        loop {
            let entries = self.table.revocations_after(&position).await?;
            let count = entries.len();
            if let Some(last) = entries.last() {
                position = (last.revoked_at, last.key);
            }
            let mut copy = self.copy_mut();
            entries.into_iter().for_each(|entry| copy.insert(entry));
            if count < BATCH {
                copy.delete_expired(now);
                copy.read_at = Some(now);
                return Ok(());
            }
        }
    }

    /// Logs once when reading or writing starts to fail, and once when both work again.
    fn log_change(&self, error: Option<SessionsUnavailable>) {
        let was_failing = self.is_failing.swap(error.is_some(), Ordering::Relaxed);
        match error {
            Some(cause) if !was_failing => {
                log::warn!("failed to synchronise the list of ended sessions: {cause}");
            }
            None if was_failing => log::info!("the list of ended sessions is synchronised again"),
            _ => {}
        }
    }

    pub(super) fn table(&self) -> &Arc<dyn RevocationTable> {
        &self.table
    }

    fn unwritten(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn copy(&self) -> RwLockReadGuard<'_, Copy> {
        self.copy.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn copy_mut(&self) -> RwLockWriteGuard<'_, Copy> {
        self.copy.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Copy {
    /// As [`RevocationTable::add_revocation`].
    fn insert(&mut self, entry: Entry) {
        let entries = self.entries.entry(entry.key).or_default();
        match entries.iter_mut().find(|other| other.except == entry.except) {
            Some(other) if other.revoked_at < entry.revoked_at => *other = entry,
            Some(_) => {}
            None => entries.push(entry),
        }
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.revoked_at));
        entries.truncate(2);
    }

    fn delete_expired(&mut self, now: DateTime<Utc>) {
        self.entries.retain(|_, entries| {
            entries.retain(|entry| entry.expires_at > now);
            !entries.is_empty()
        });
    }
}

impl Entry {
    /// For an entry whose key is one of the session's.
    fn covers(&self, session: &Session) -> bool {
        self.except != Some(*session.id.as_bytes())
            && (!self.earlier_only || session.started_at <= self.revoked_at)
    }
}

/// What the database keeps of a time.
fn to_milliseconds(time: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(time.timestamp_millis()).unwrap_or(time)
}

fn provider_session_key(issuer: &str, sid: &str) -> Hash {
    hash_of(&["sid", issuer, sid])
}

fn key_of(revocation: &Revocation) -> Hash {
    match revocation {
        Revocation::Session { subject, id } => {
            hash_of(&["session", &subject.issuer, &subject.subject, &id.to_string()])
        }
        Revocation::User { subject, .. } => hash_of(&["user", &subject.issuer, &subject.subject]),
        Revocation::ProviderSession { issuer, sid, subject: None } => {
            provider_session_key(issuer, sid)
        }
        Revocation::ProviderSession { issuer, sid, subject: Some(subject) } => {
            hash_of(&["sid and sub", issuer, sid, subject])
        }
    }
}

/// The keys of all entries that could cover the session.
fn keys_of(session: &Session) -> Vec<Hash> {
    let subject = session.subject();
    let (issuer, id) = (subject.issuer.clone(), session.id);
    let mut revocations = vec![
        Revocation::Session { subject: subject.clone(), id },
        Revocation::User { subject: subject.clone(), except: None },
    ];
    if let Some(sid) = session.identity.provider_session_id.clone() {
        let named = Some(subject.subject.clone());
        let (issuer_too, sid_too) = (issuer.clone(), sid.clone());
        revocations.push(Revocation::ProviderSession { issuer, sid, subject: None });
        revocations.push(Revocation::ProviderSession {
            issuer: issuer_too,
            sid: sid_too,
            subject: named,
        });
    }
    revocations.iter().map(key_of).collect()
}

#[cfg(test)]
mod tests {
    use portico_contracts::fixtures;

    use super::*;

    fn entry(except: Option<u8>, second: i64) -> Entry {
        let revoked_at = DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
        let except = except.map(|byte| [byte; 16]);
        let expires_at = revoked_at + TimeDelta::days(7);
        Entry { key: [1; 32], except, earlier_only: true, revoked_at, expires_at }
    }

    #[test]
    fn two_newest_entries_cover_what_older_ones_covered() {
        let mut copy = Copy::default();
        for (except, second) in [(Some(1), 1), (Some(2), 2), (Some(3), 3), (Some(3), 4)] {
            copy.insert(entry(except, second));
        }
        assert_eq!(copy.entries[&[1; 32]], [entry(Some(3), 4), entry(Some(2), 2)]);
        for id in 0..3 {
            let mut session = fixtures::session();
            session.id = portico_domain::model::SessionId::new([id; 32]);
            assert!(copy.entries[&[1; 32]].iter().any(|entry| entry.covers(&session)), "{id}");
        }
    }

    #[test]
    fn keys_of_session_include_every_revocation_that_covers_it() {
        let session = fixtures::session();
        let subject = session.subject().clone();
        let (issuer, sid) = (subject.issuer.clone(), "provider-session".to_owned());
        for revocation in [
            Revocation::Session { subject: subject.clone(), id: session.id },
            Revocation::User { subject: subject.clone(), except: None },
            Revocation::ProviderSession { issuer: issuer.clone(), sid: sid.clone(), subject: None },
            Revocation::ProviderSession { issuer, sid, subject: Some(subject.subject) },
        ] {
            assert!(revocation.covers(&session));
            assert!(keys_of(&session).contains(&key_of(&revocation)), "{revocation:?}");
        }
    }
}
