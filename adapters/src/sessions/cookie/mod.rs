//! Sessions in the visitors' own cookies.

pub(super) mod chunks;
mod refresh_locks;
mod revocations;

use std::{
    cell::Cell,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use chrono::TimeDelta;
use portico_domain::{
    model::{Check, RefreshToken, Revocation, Session, SessionChange, SessionSummary, Subject},
    ports::{
        Clock, Randomness, Renewal, ReplayGuard, SaveSessionError, SessionRegistry, SessionStore,
        SessionsUnavailable, TokenRenewal,
    },
};
use rocket::Request;

pub(super) use self::{
    chunks::{from_text, to_text},
    refresh_locks::{LOCK_LIFETIME, LOCK_TIMEOUT},
    revocations::{BATCH, Entry, Position, RevocationTable},
};
use self::{refresh_locks::RefreshLocks, revocations::Revocations};
use super::{
    SessionStores,
    cookies::{CookieSettings, Cookies, Jar},
    diesel::tables,
    replay_guard::HashedReplayGuard,
    unavailable,
};
use crate::database::Database;

/// Whole sessions in the visitors' cookies, sealed by Rocket. The database keeps only a list of the
/// sessions that ended before they expired, so that a copy of the cookies is refused after a
/// log-out.
///
/// Such sessions cannot be listed. The lock for refreshes reaches as far as the process: if two
/// instances refresh one session at the same moment, the second one needs a provider that accepts
/// the earlier refresh token for some seconds.
pub struct CookieSessions {
    cookies: Cookies,
    revocations: Arc<Revocations>,
    refresh_locks: RefreshLocks,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
}

impl CookieSessions {
    /// Sessions in cookies as the settings say. Needs a Tokio runtime, and does not wait for the
    /// database.
    pub fn new(
        settings: CookieSettings,
        database: &Database,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Self {
        Self::over(settings, tables(database), clock, randomness)
    }

    pub(in crate::sessions) fn over(
        settings: CookieSettings,
        table: Arc<dyn RevocationTable>,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Self {
        let lifetime = settings.lifetimes.absolute;
        let revocations = Revocations::new(table, clock.clone(), lifetime);
        let (cookies, refresh_locks) = (Cookies::new(settings), RefreshLocks::default());
        Self { cookies, revocations, refresh_locks, clock, randomness }
    }

    /// Time since the list of ended sessions was last read completely; `None` before the first time.
    pub fn list_age(&self) -> Option<TimeDelta> {
        self.revocations.age()
    }

    /// The replay guard in the same database.
    pub fn replay_guard(&self) -> Arc<dyn ReplayGuard> {
        let table = self.revocations.table().clone();
        Arc::new(HashedReplayGuard::new(table, self.clock.clone()))
    }

    /// Deletes what has expired of the list of ended sessions, as happens every minute.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the database is out of reach; some may have been deleted.
    #[cfg(feature = "testing")]
    pub async fn sweep(&self) -> Result<(), SessionsUnavailable> {
        self.revocations.table().delete_expired(self.clock.now()).await
    }

    fn allows(&self, session: &Session) -> bool {
        self.cookies.settings.lifetimes.allow(session, self.clock.now())
    }
}

impl SessionStores for CookieSessions {
    fn of<'r>(&'r self, request: &'r Request<'_>) -> Box<dyn SessionStore + 'r> {
        let jar = self.cookies.of(request);
        Box::new(VisitorCookies { site: self, jar, cached: Mutex::default() })
    }
}

#[async_trait]
impl SessionRegistry for CookieSessions {
    async fn list(&self, _: &Subject) -> Result<Option<Vec<SessionSummary>>, SessionsUnavailable> {
        Ok(None)
    }

    async fn revoke(
        &self,
        revocation: &Revocation,
    ) -> Result<Vec<RefreshToken>, SessionsUnavailable> {
        self.revocations.add(revocation).await?;
        // The refresh tokens are in the visitors' cookies.
        Ok(Vec::new())
    }

    async fn check(&self) -> Result<(), SessionsUnavailable> {
        self.revocations.check().await
    }

    async fn examine(&self) -> Vec<Check> {
        let list = "sessions in cookies, and a list of ended ones in the database";
        let limit = format!(
            "a session takes up to {} cookies of 4,096 bytes; what this provider's take is known \
             after a log-in; let proxies accept 64 kB of headers, or set SESSION_STORE=database",
            chunks::MAX_CHUNKS,
        );
        vec![Check::of("writable", list, self.check().await), Check::passed("cookie size", limit)]
    }
}

/// The session of one visitor, for one request. Rocket's jar does not show what was added in the
/// same request, so it is cached here.
struct VisitorCookies<'r> {
    site: &'r CookieSessions,
    jar: Jar<'r>,
    /// `None` until it was read or written.
    cached: Mutex<Option<Option<Session>>>,
}

impl VisitorCookies<'_> {
    fn cached(&self) -> MutexGuard<'_, Option<Option<Session>>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn chunk_name(&self, index: usize) -> String {
        self.jar.name(&format!("session_{index}"))
    }

    /// Removes the chunks from this index on: those that the browser sent, and those that were
    /// added in this request.
    fn clear_chunks(&self, from: usize) {
        let kept: Vec<_> = (0..from).map(|index| self.chunk_name(index)).collect();
        let sent = self.jar.sent("session_").into_iter().map(|(name, _)| name);
        let added = (from..chunks::MAX_CHUNKS).map(|index| self.chunk_name(index));
        sent.chain(added)
            .filter(|name| !kept.contains(name))
            .for_each(|name| self.jar.remove(name));
    }

    /// The session that the browser sent, and whether an earlier key sealed it. Cookies that are
    /// not exactly as we made them are cleared, in a catcher as well.
    fn sent(&self) -> Option<(Session, bool)> {
        let by_previous_key = Cell::new(false);
        let session = chunks::join(|index| {
            let opened = self.jar.get(&self.chunk_name(index))?;
            by_previous_key.set(by_previous_key.get() || opened.by_previous_key);
            Some(opened.value)
        });
        if session.is_none() && !self.jar.sent("session_").is_empty() {
            self.clear_chunks(0);
        }
        Some((session?, by_previous_key.get()))
    }

    /// The cached session, or the one that the browser sent. If that is older than the latest
    /// refresh it is brought up to date; if an earlier key sealed it, it is sealed again.
    async fn load(&self) -> Result<Option<Session>, SessionsUnavailable> {
        let cached = self.cached().clone();
        let session = match cached {
            Some(session) => session,
            None => match self.sent() {
                Some((session, by_previous_key)) => {
                    let newer = self.site.refresh_locks.newer(&session, self.site.clock.now());
                    let must_write = by_previous_key || newer.is_some();
                    let session = newer.unwrap_or(session);
                    if must_write && self.site.allows(&session) {
                        // It was written before, so it fits.
                        let _ = self.write(&session);
                    }
                    Some(session)
                }
                None => None,
            },
        };
        let Some(session) = session else { return Ok(None) };
        // Also for a cached session: it may have ended since.
        if !self.site.allows(&session) || self.site.revocations.cover(&session).await? {
            self.clear_chunks(0);
            *self.cached() = Some(None);
            return Ok(None);
        }
        *self.cached() = Some(Some(session.clone()));
        Ok(Some(session))
    }

    fn write(&self, session: &Session) -> Result<(), SaveSessionError> {
        let [a, b, c, d, e, f, g, h, ..] = self.site.randomness.bytes().map_err(unavailable)?;
        let chunks = chunks::split(session, [a, b, c, d, e, f, g, h])?;
        let now = self.site.clock.now();
        let lifetime = self.site.cookies.settings.lifetimes.expires_at(session) - now;
        self.clear_chunks(chunks.len());
        for (index, chunk) in chunks.into_iter().enumerate() {
            self.jar.add(self.chunk_name(index), chunk, lifetime);
        }
        *self.cached() = Some(Some(session.clone()));
        Ok(())
    }
}

#[async_trait]
impl SessionStore for VisitorCookies<'_> {
    async fn current(&self) -> Result<Option<Session>, SessionsUnavailable> {
        self.load().await
    }

    async fn start(&self, session: &Session) -> Result<(), SaveSessionError> {
        let earlier = self.load().await?.filter(|earlier| earlier.id != session.id);
        self.site.revocations.record_start(session).await?;
        self.write(session)?;
        if let Some(Session { id, identity, .. }) = earlier {
            let revocation = Revocation::Session { subject: identity.subject, id };
            self.site.refresh_locks.forget(id);
            self.site.revocations.add(&revocation).await?;
        }
        Ok(())
    }

    async fn update(&self, change: &SessionChange) -> Result<Option<Session>, SaveSessionError> {
        let Some(session) = self.load().await? else {
            return Ok(None);
        };
        let changed = session.clone().with(change.clone());
        self.write(&changed)?;
        if let SessionChange::Refreshed(refreshed) = change {
            self.site.refresh_locks.record(&session, refreshed, self.site.clock.now());
        }
        Ok(Some(changed))
    }

    async fn refresh<'a>(
        &self,
        stale: &Session,
        renewal: &'a (dyn TokenRenewal + 'a),
    ) -> Result<Option<Session>, SaveSessionError> {
        let Some(session) = self.load().await? else {
            return Ok(None);
        };
        let (id, clock) = (session.id, &self.site.clock);
        let is_owner = self.site.refresh_locks.acquire(id, clock.now()).await;
        let result = async {
            // The previous owner of the lock may have refreshed the session.
            if let Some(newer) = self.site.refresh_locks.newer(&session, clock.now()) {
                self.write(&newer)?;
            }
            let Some(session) = self.load().await? else { return Ok(None) };
            if !is_owner || session.tokens().access_token != stale.tokens().access_token {
                return Ok(Some(session));
            }
            match renewal.renew(&session).await {
                Renewal::Refreshed(tokens) => self.update(&SessionChange::Refreshed(tokens)).await,
                // It may have ended meanwhile.
                Renewal::Unchanged => Ok(self.load().await?),
                Renewal::End => Ok(self.end().await.map(|()| None)?),
            }
        };
        let result = result.await;
        if is_owner {
            self.site.refresh_locks.release(id);
        }
        result
    }

    /// The cookies are cleared in any case. A copy of them is refused as soon as the list of ended
    /// sessions holds the session.
    async fn end(&self) -> Result<(), SessionsUnavailable> {
        let cached = self.cached().clone();
        let session = cached.unwrap_or_else(|| self.sent().map(|(session, _)| session));
        self.clear_chunks(0);
        *self.cached() = Some(None);
        let Some(session) = session.filter(|session| self.site.allows(session)) else {
            return Ok(());
        };
        self.site.refresh_locks.forget(session.id);
        let revocation = Revocation::Session { subject: session.identity.subject, id: session.id };
        if let Err(cause) = self.site.revocations.add(&revocation).await {
            // It has ended here; the entry is written as soon as the database is back.
            log::warn!("failed to record the end of a session, retrying: {cause}");
        }
        Ok(())
    }
}
