//! Which sessions in cookies have ended before their time.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use portico_domain::{
    model::{Revocation, Session},
    ports::{Clock, Randomness, SessionsUnavailable},
};

use super::{
    repeat, unavailable,
    vault::{Entry, Hash, RevocationLog, hash_of},
};

/// How often an instance reads what others have added.
const READ: Duration = Duration::from_secs(2);

/// How often an instance forgets what has expired.
const SWEEP: Duration = Duration::from_secs(60);

/// Instances' clocks may differ by this much, and a transaction may take so long to be seen: each
/// reading goes back so far behind the one before.
const OVERLAP: TimeDelta = TimeDelta::seconds(60);

/// Entries are kept for this long after no session can be left, for clocks that differ.
const MARGIN: TimeDelta = TimeDelta::minutes(5);

/// The revocations in the database, and a copy in memory that is at most a few seconds old.
///
/// While the database is away the copy stands: people stay signed in, and what other instances
/// revoke is learnt afterwards. `/health/ready` is red then, so that a balancer takes the instance
/// out. Before the first reading nobody is let in, or a restart would forget who was put out.
pub(super) struct Revocations {
    log: Arc<dyn RevocationLog>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    known: RwLock<Known>,
    /// What the others could not be told yet.
    untold: Mutex<Vec<Entry>>,
    was_read: AtomicBool,
    is_away: AtomicBool,
}

#[derive(Default)]
struct Known {
    entries: HashMap<Hash, Vec<Entry>>,
    read_at: Option<DateTime<Utc>>,
}

impl Revocations {
    /// Reads and sweeps as long as it lives. Needs a runtime of Tokio.
    pub(super) fn new(
        log: Arc<dyn RevocationLog>,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Arc<Self> {
        let revocations = Arc::new(Self {
            log,
            clock,
            randomness,
            known: RwLock::default(),
            untold: Mutex::default(),
            was_read: AtomicBool::new(false),
            is_away: AtomicBool::new(false),
        });
        repeat(READ, &revocations, |revocations| async move {
            let read = revocations.read().await;
            revocations.tell(read.err());
        });
        repeat(SWEEP, &revocations, |revocations| async move {
            // What is not swept now is swept later.
            let _ = revocations.log.sweep(revocations.clock.now()).await;
        });
        revocations
    }

    pub(super) fn log(&self) -> &dyn RevocationLog {
        &*self.log
    }

    /// Whether the session was ended before its time.
    ///
    /// Fails when the list has never been read and cannot be read now.
    pub(super) async fn cover(&self, session: &Session) -> Result<bool, SessionsUnavailable> {
        if !self.was_read.load(Ordering::Acquire) {
            self.read().await?;
        }
        let known = self.known();
        let mut entries = places(session).into_iter().filter_map(|at| known.entries.get(&at));
        Ok(entries.any(|entries| entries.iter().any(|entry| entry.covers(session))))
    }

    /// Ends the sessions that are meant: here at once, elsewhere once it is read. What could not be
    /// written is written as soon as the database is back.
    pub(super) async fn add(
        &self,
        revocation: Revocation,
        last_end: DateTime<Utc>,
    ) -> Result<(), SessionsUnavailable> {
        let mut id = [0; 16];
        id.copy_from_slice(&self.randomness.bytes().map_err(unavailable)?[..16]);
        let revoked_at = self.clock.now();
        let entry = Entry { id, revocation, revoked_at, expires_at: last_end + MARGIN };
        // Here even if the others cannot be told: this process keeps its word as far as it can.
        self.known_mut().insert(entry.clone());
        let added = self.log.add(&entry).await;
        if added.is_err() {
            self.untold().push(entry);
        }
        added
    }

    /// Tells the others what they could not be told earlier.
    async fn catch_up(&self) -> Result<(), SessionsUnavailable> {
        let untold = self.untold().clone();
        for entry in untold {
            // An answer may have been lost although the entry was written.
            if !self.log.since(entry.revoked_at).await?.contains(&entry) {
                self.log.add(&entry).await?;
            }
            self.untold().retain(|other| other.id != entry.id);
        }
        Ok(())
    }

    fn untold(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self) -> Result<(), SessionsUnavailable> {
        self.catch_up().await?;
        let now = self.clock.now();
        let then = self.known().read_at.map_or(DateTime::UNIX_EPOCH, |read_at| read_at - OVERLAP);
        let entries = self.log.since(then).await?;
        let mut known = self.known_mut();
        for entry in entries {
            known.insert(entry);
        }
        known.forget(now);
        known.read_at = Some(now);
        drop(known);
        self.was_read.store(true, Ordering::Release);
        Ok(())
    }

    /// Says once that the database went away, and once that it is back.
    fn tell(&self, cause: Option<SessionsUnavailable>) {
        let was_away = self.is_away.swap(cause.is_some(), Ordering::Relaxed);
        match cause {
            Some(cause) if !was_away => log::warn!(
                "the list of revoked sessions cannot be read; the last one stands: {cause}"
            ),
            None if was_away => log::info!("the list of revoked sessions can be read again"),
            _ => {}
        }
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_mut(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn insert(&mut self, entry: Entry) {
        let entries = self.entries.entry(place(&entry.revocation)).or_default();
        if entries.iter().all(|known| known.id != entry.id) {
            entries.push(entry);
        }
    }

    fn forget(&mut self, now: DateTime<Utc>) {
        self.entries.retain(|_, entries| {
            entries.retain(|entry| entry.expires_at > now);
            !entries.is_empty()
        });
    }
}

impl Entry {
    fn covers(&self, session: &Session) -> bool {
        session.started_at <= self.revoked_at && self.revocation.covers(session)
    }
}

/// Where a revocation is found again.
fn place(revocation: &Revocation) -> Hash {
    match revocation {
        Revocation::Session { issuer, id, .. } => hash_of(["id", issuer, &id.to_string()]),
        Revocation::Person { issuer, subject, .. } => hash_of(["person", issuer, subject]),
        Revocation::ProviderSession { issuer, sid, .. } => hash_of(["sid", issuer, sid]),
    }
}

/// Where revocations of this session would be.
fn places(session: &Session) -> Vec<Hash> {
    let issuer = &session.issuer;
    let sid = session.provider_session_id.as_deref();
    let mut places = vec![
        hash_of(["id", issuer, &session.id.to_string()]),
        hash_of(["person", issuer, &session.subject]),
    ];
    places.extend(sid.map(|sid| hash_of(["sid", issuer, sid])));
    places
}
