use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use portico_domain::{
    model::{
        Lifetimes, LoginAttempt, LoginLoopGuard, RefreshToken, Revocation, Session, SessionChange,
        SessionId, SessionSummary, State, Subject,
    },
    ports::{
        Clock, LoginAttempts, Renewal, ReplayGuard, SaveSessionError, SessionRegistry,
        SessionStore, SessionsUnavailable, TokenRenewal,
    },
};

use super::ManualClock;
use crate::{
    ReadOnly, Server,
    sessions::{Browser, Cookies, Instance, LIFETIMES, Site},
};

/// How often a waiting request checks whether the lock was released.
const MAX_POLLS: usize = 100;

/// The sessions of a whole site in memory, which can be down or refuse new sessions: see [`Server`]
/// and [`ReadOnly`]. They expire as [`LIFETIMES`] say.
#[derive(Clone, Debug)]
pub struct InMemorySite(Arc<Memory>);

impl Default for InMemorySite {
    fn default() -> Self {
        Self::with_lifetimes(LIFETIMES)
    }
}

impl InMemorySite {
    /// Sessions expire as these lifetimes and the site's clock say.
    pub fn with_lifetimes(lifetimes: Lifetimes) -> Self {
        Self(Arc::new(Memory { lifetimes: Some(lifetimes), ..Memory::default() }))
    }
}

#[derive(Debug, Default)]
struct Memory {
    clock: Arc<ManualClock>,
    lifetimes: Option<Lifetimes>,
    down: AtomicBool,
    read_only: AtomicBool,
    data: Mutex<Data>,
}

#[derive(Debug, Default)]
struct Data {
    /// By the number in the browser's cookie.
    browsers: BTreeMap<usize, BrowserData>,
    refresh_locks: BTreeSet<[u8; 16]>,
    used: BTreeMap<String, DateTime<Utc>>,
}

#[derive(Debug, Default)]
struct BrowserData {
    session: Option<Session>,
    attempts: Vec<LoginAttempt>,
    loop_guard: LoginLoopGuard,
}

impl Memory {
    /// The data, without sessions that have expired.
    fn lock(&self) -> Result<MutexGuard<'_, Data>, SessionsUnavailable> {
        if self.down.load(Ordering::SeqCst) {
            return Err(SessionsUnavailable("stopped by the test".into()));
        }
        let mut data = self.data.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lifetimes) = self.lifetimes {
            data.end(|session| !lifetimes.allow(session, self.clock.now()));
        }
        Ok(data)
    }

    fn check_write(&self) -> Result<(), SessionsUnavailable> {
        if self.read_only.load(Ordering::SeqCst) {
            return Err(SessionsUnavailable("made read-only by the test".into()));
        }
        self.lock().map(drop)
    }

    fn is_locked(&self, id: SessionId) -> Result<bool, SessionsUnavailable> {
        Ok(self.lock()?.refresh_locks.contains(id.as_bytes()))
    }
}

impl Data {
    fn end(&mut self, covers: impl Fn(&Session) -> bool) -> Vec<RefreshToken> {
        let sessions = self.browsers.values_mut().map(|browser| &mut browser.session);
        let ended = sessions.filter_map(|session| session.take_if(|session| covers(session)));
        ended.filter_map(|session| session.identity.tokens.refresh_token).collect()
    }
}

#[async_trait]
impl Server for InMemorySite {
    async fn stop(&mut self) {
        self.0.down.store(true, Ordering::SeqCst);
    }

    async fn start_again(&mut self) {
        self.0.down.store(false, Ordering::SeqCst);
    }
}

#[async_trait]
impl ReadOnly for InMemorySite {
    async fn refuse_writes(&mut self) {
        self.0.read_only.store(true, Ordering::SeqCst);
    }

    async fn accept_writes(&mut self) -> bool {
        self.0.read_only.store(false, Ordering::SeqCst);
        true
    }
}

#[async_trait]
impl Site for InMemorySite {
    fn clock(&self) -> Arc<ManualClock> {
        self.0.clock.clone()
    }

    fn instance(&self) -> Box<dyn Instance> {
        Box::new(self.clone())
    }

    async fn pause(&self) {
        yield_now().await;
    }
}

#[async_trait]
impl Instance for InMemorySite {
    fn registry(&self) -> Arc<dyn SessionRegistry> {
        Arc::new(self.clone())
    }

    fn replay_guard(&self) -> Arc<dyn ReplayGuard> {
        Arc::new(self.clone())
    }

    async fn browser(&self, cookies: Cookies) -> Box<dyn Browser> {
        let memory = self.0.clone();
        let number = cookies.get("browser").map(|number| number.parse());
        let next = {
            let mut data = memory.data.lock().unwrap_or_else(PoisonError::into_inner);
            let next = data.browsers.len() + 1;
            data.browsers.insert(next, BrowserData::default());
            next
        };
        // A forged number belongs to no browser.
        let number = number.map_or(next, |number| number.unwrap_or(next));
        Box::new(InMemoryBrowser { memory, number })
    }
}

#[async_trait]
impl SessionRegistry for InMemorySite {
    async fn list(
        &self,
        subject: &Subject,
    ) -> Result<Option<Vec<SessionSummary>>, SessionsUnavailable> {
        let data = self.0.lock()?;
        let sessions = data.browsers.values().filter_map(|browser| browser.session.as_ref());
        let own = sessions.filter(|session| session.subject() == subject);
        let mut summaries: Vec<_> = own.map(Session::summary).collect();
        summaries.sort_by_key(|summary| std::cmp::Reverse(summary.seen_at));
        Ok(Some(summaries))
    }

    async fn revoke(
        &self,
        revocation: &Revocation,
    ) -> Result<Vec<RefreshToken>, SessionsUnavailable> {
        Ok(self.0.lock()?.end(|session| revocation.covers(session)))
    }

    async fn check(&self) -> Result<(), SessionsUnavailable> {
        self.0.check_write()
    }
}

#[async_trait]
impl ReplayGuard for InMemorySite {
    async fn was_used(&self, value: &str) -> Result<bool, SessionsUnavailable> {
        let data = self.0.lock()?;
        Ok(data.used.get(value).is_some_and(|until| self.0.clock.now() < *until))
    }

    async fn is_first_use(
        &self,
        value: &str,
        until: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable> {
        let mut data = self.0.lock()?;
        data.used.retain(|_, until| self.0.clock.now() < *until);
        let is_used = data.used.contains_key(value);
        data.used.entry(value.to_owned()).or_insert(until);
        Ok(!is_used)
    }
}

/// One browser's session and log-in attempts. Sessions never expire, except in the browsers of an
/// [`InMemorySite`].
#[derive(Debug, Default)]
pub struct InMemoryBrowser {
    memory: Arc<Memory>,
    number: usize,
}

impl InMemoryBrowser {
    fn with_data<T>(
        &self,
        change: impl FnOnce(&mut BrowserData) -> T,
    ) -> Result<T, SessionsUnavailable> {
        Ok(change(self.memory.lock()?.browsers.entry(self.number).or_default()))
    }
}

impl Browser for InMemoryBrowser {
    fn cookies(&self) -> Cookies {
        [("browser".to_owned(), self.number.to_string())].into()
    }
}

#[async_trait]
impl SessionStore for InMemoryBrowser {
    async fn current(&self) -> Result<Option<Session>, SessionsUnavailable> {
        self.with_data(|data| data.session.clone())
    }

    async fn start(&self, session: &Session) -> Result<(), SaveSessionError> {
        self.memory.check_write()?;
        Ok(self.with_data(|data| data.session = Some(session.clone()))?)
    }

    async fn update(&self, change: &SessionChange) -> Result<Option<Session>, SaveSessionError> {
        Ok(self.with_data(|data| {
            data.session = data.session.take().map(|session| session.with(change.clone()));
            data.session.clone()
        })?)
    }

    async fn refresh<'a>(
        &self,
        stale: &Session,
        renewal: &'a (dyn TokenRenewal + 'a),
    ) -> Result<Option<Session>, SaveSessionError> {
        let Some(session) = self.current().await? else { return Ok(None) };
        let id = session.id;
        let is_owner = self.memory.lock()?.refresh_locks.insert(*id.as_bytes());
        for _ in 0..MAX_POLLS {
            if is_owner || !self.memory.is_locked(id)? {
                break;
            }
            yield_now().await;
        }
        let Some(session) = self.current().await? else { return Ok(None) };
        let is_stale = session.tokens().access_token == stale.tokens().access_token;
        if !is_owner {
            return Ok(Some(session));
        }
        let result = match is_stale {
            false => Ok(Some(session)),
            true => match renewal.renew(&session).await {
                Renewal::Refreshed(tokens) => self.update(&SessionChange::Refreshed(tokens)).await,
                // It may have ended meanwhile.
                Renewal::Unchanged => self.current().await.map_err(Into::into),
                Renewal::End => self.end().await.map(|()| None).map_err(Into::into),
            },
        };
        self.memory.lock()?.refresh_locks.remove(id.as_bytes());
        result
    }

    async fn end(&self) -> Result<(), SessionsUnavailable> {
        self.with_data(|data| data.session = None)
    }
}

#[async_trait]
impl LoginAttempts for InMemoryBrowser {
    async fn remember(&self, attempt: &LoginAttempt) -> Result<(), SessionsUnavailable> {
        self.with_data(|data| {
            data.attempts.push(attempt.clone());
            if data.attempts.len() > LoginAttempt::MAX_OPEN {
                data.attempts.remove(0);
            }
        })
    }

    async fn take(&self, state: &State) -> Result<Option<LoginAttempt>, SessionsUnavailable> {
        self.with_data(|data| {
            let found = data.attempts.iter().position(|attempt| attempt.state == *state);
            found.map(|index| data.attempts.remove(index))
        })
    }

    async fn loop_guard(&self) -> LoginLoopGuard {
        self.with_data(|data| data.loop_guard.clone()).unwrap_or_default()
    }

    async fn set_loop_guard(&self, guard: &LoginLoopGuard) {
        let _ = self.with_data(|data| data.loop_guard = guard.clone());
    }
}

/// Lets other tasks of this thread run.
async fn yield_now() {
    let mut is_second = false;
    poll_fn(|context| {
        if std::mem::replace(&mut is_second, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session_store_contract;

    async fn site() -> (Arc<dyn Site>, ()) {
        (Arc::new(InMemorySite::default()), ())
    }

    session_store_contract!(site());

    #[tokio::test]
    async fn reports_outage_without_ending_sessions() {
        let mut site = InMemorySite::default();
        let fresh = Arc::new(site.clone());
        crate::sessions::reports_outage_without_ending_sessions(fresh, &mut site).await;
    }

    #[tokio::test]
    async fn check_notices_store_that_cannot_be_written() {
        let mut site = InMemorySite::default();
        let fresh = Arc::new(site.clone());
        crate::sessions::check_notices_store_that_cannot_be_written(fresh, &mut site).await;
    }
}
