use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use portico_domain::{
    model::{Lifetimes, Revocation, Session, SessionId},
    ports::{Clock, SessionsUnavailable},
};
use tokio::{sync::Mutex as AsyncMutex, time::Instant};

use super::hash::{self, Hash};

/// Between two readings of the list.
const EVERY: Duration = Duration::from_secs(2);

/// Numbers are given in order, but come to light when their transactions end, which takes at most
/// the time of a statement. What had a lower number this long ago has come to light.
const SETTLED: Duration = Duration::from_secs(30);

/// Clocks of instances may differ by this.
const MARGIN: TimeDelta = TimeDelta::minutes(5);

/// Entries that wait for the database, at most.
const MOST_WAITING: usize = 10_000;

/// The list, as it outlasts this process.
#[async_trait]
pub(super) trait RevocationTable: Send + Sync {
    async fn note(&self, entry: &Entry) -> Result<(), SessionsUnavailable>;

    /// The entries with a number above this one, with their numbers, in order.
    async fn after(&self, number: i64) -> Result<Vec<(i64, Entry)>, SessionsUnavailable>;
}

/// One entry. It names nobody: what is meant is a hash.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) target: Hash,
    /// The session that stays.
    pub(super) except: Option<[u8; 16]>,
    /// Sessions that began until then have ended; milliseconds since the epoch.
    pub(super) revoked_at: i64,
    /// No session can be that old any more; milliseconds since the epoch.
    pub(super) forget_at: i64,
}

/// Which sessions have ended although their cookies would still be good. Every instance knows the
/// list in memory, reads what others added each two seconds, and asks nobody during a request.
///
/// While the database is away the last known list stands. What another instance revokes meanwhile
/// could not be noted anyway; and readiness is red, so that a balancer takes the instance out.
pub(super) struct Revocations {
    table: Arc<dyn RevocationTable>,
    clock: Arc<dyn Clock>,
    lifetimes: Lifetimes,
    known: Mutex<Known>,
    /// The highest number at each reading, the latest last. Held while reading.
    readings: AsyncMutex<VecDeque<(Instant, i64)>>,
}

#[derive(Default)]
struct Known {
    /// The list was read once at least.
    read: bool,
    /// The database was away at the last attempt.
    away: bool,
    entries: HashMap<Hash, Vec<Entry>>,
    waiting: Vec<Entry>,
    forgot_at: i64,
}

impl Revocations {
    /// Reads the list from now on, until dropped.
    pub(super) fn new(
        table: Arc<dyn RevocationTable>,
        clock: Arc<dyn Clock>,
        lifetimes: Lifetimes,
    ) -> Arc<Self> {
        let (known, readings) = (Mutex::default(), AsyncMutex::default());
        let list = Arc::new(Self { table, clock, lifetimes, known, readings });
        let reader = Arc::downgrade(&list);
        tokio::spawn(async move {
            while let Some(list) = reader.upgrade() {
                list.read_and_tell().await;
                drop(list);
                tokio::time::sleep(EVERY).await;
            }
        });
        list
    }

    /// Whether the session has been revoked.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] until the list was read once.
    pub(super) async fn cover(&self, session: &Session) -> Result<bool, SessionsUnavailable> {
        if !self.known().read {
            self.read().await?;
        }
        let Session { issuer, subject, id, .. } = session;
        let began = session.started_at.timestamp_millis();
        let sid = session.provider_session.as_deref();
        let targets = [
            Some(hash::session(issuer, subject, *id)),
            Some(hash::person(issuer, subject)),
            sid.map(|sid| hash::provider_session(issuer, sid)),
            sid.map(|sid| hash::provider_session_of(issuer, sid, subject)),
        ];
        let known = self.known();
        let mut entries =
            targets.iter().flatten().filter_map(|target| known.entries.get(target)).flatten();
        Ok(entries.any(|entry| began <= entry.revoked_at && entry.except != Some(*id.as_bytes())))
    }

    /// Ends the sessions that are meant and began until now: here at once. Where the database is
    /// away it is noted later.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when others do not hear of it now.
    pub(super) async fn add(&self, revocation: &Revocation) -> Result<(), SessionsUnavailable> {
        let now = self.clock.now();
        let (target, except) = target_of(revocation);
        self.note(target, except, now, now + self.lifetimes.absolute).await
    }

    /// Ends this session, which its cookies would outlive at most as long as a renewal may be under
    /// way.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when others do not hear of it now.
    pub(super) async fn end(&self, session: &Session) -> Result<(), SessionsUnavailable> {
        let now = self.clock.now();
        let target = hash::session(&session.issuer, &session.subject, session.id);
        let end = now + self.lifetimes.rolling;
        self.note(target, None, now, end.min(session.started_at + self.lifetimes.absolute)).await
    }

    async fn note(
        &self,
        target: Hash,
        except: Option<SessionId>,
        now: DateTime<Utc>,
        end: DateTime<Utc>,
    ) -> Result<(), SessionsUnavailable> {
        let entry = Entry {
            target,
            except: except.map(|id| *id.as_bytes()),
            revoked_at: now.timestamp_millis(),
            forget_at: (end + MARGIN).timestamp_millis(),
        };
        self.known().add(entry.clone());
        let noted = self.table.note(&entry).await;
        if noted.is_err() {
            let waiting = &mut self.known().waiting;
            if waiting.len() < MOST_WAITING {
                waiting.push(entry);
            }
        }
        noted
    }

    /// Notes what waits, and reads what is new.
    pub(super) async fn read(&self) -> Result<(), SessionsUnavailable> {
        let mut readings = self.readings.lock().await;
        while let Some(entry) = self.next_waiting() {
            if let Err(error) = self.table.note(&entry).await {
                self.known().waiting.push(entry);
                return Err(error);
            }
        }
        let now = Instant::now();
        while readings.get(1).is_some_and(|(at, _)| *at + SETTLED <= now) {
            readings.pop_front();
        }
        let settled = readings.front().filter(|(at, _)| *at + SETTLED <= now);
        let new = self.table.after(settled.map_or(0, |(_, number)| *number)).await?;
        let before = readings.back().map_or(0, |(_, number)| *number);
        readings.push_back((now, new.last().map_or(before, |(number, _)| before.max(*number))));

        let mut known = self.known();
        known.read = true;
        new.into_iter().for_each(|(_, entry)| known.add(entry));
        known.forget(self.clock.now().timestamp_millis());
        Ok(())
    }

    async fn read_and_tell(&self) {
        let outcome = self.read().await;
        let was_away = std::mem::replace(&mut self.known().away, outcome.is_err());
        match outcome {
            Err(error) if !was_away => {
                log::warn!("revoked sessions cannot be read, the last known list stands: {error}");
            }
            Ok(()) if was_away => log::info!("revoked sessions can be read again"),
            _ => {}
        }
    }

    fn next_waiting(&self) -> Option<Entry> {
        self.known().waiting.pop()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn add(&mut self, entry: Entry) {
        let entries = self.entries.entry(entry.target).or_default();
        match entries.iter_mut().find(|known| known.except == entry.except) {
            Some(known) => {
                known.revoked_at = known.revoked_at.max(entry.revoked_at);
                known.forget_at = known.forget_at.max(entry.forget_at);
            }
            None => entries.push(entry),
        }
    }

    /// Once a minute, because it looks at all of them.
    fn forget(&mut self, now: i64) {
        if now - self.forgot_at < 60_000 {
            return;
        }
        self.forgot_at = now;
        self.entries.retain(|_, entries| {
            entries.retain(|entry| now < entry.forget_at);
            !entries.is_empty()
        });
    }
}

fn target_of(revocation: &Revocation) -> (Hash, Option<SessionId>) {
    match revocation {
        Revocation::Session { issuer, subject, id } => (hash::session(issuer, subject, *id), None),
        Revocation::Person { issuer, subject, except } => (hash::person(issuer, subject), *except),
        Revocation::ProviderSession { issuer, sid, subject: None } => {
            (hash::provider_session(issuer, sid), None)
        }
        Revocation::ProviderSession { issuer, sid, subject: Some(subject) } => {
            (hash::provider_session_of(issuer, sid, subject), None)
        }
    }
}
