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

use super::ManualClock;
use crate::{
    Server,
    sessions::{Cookies, Instance, LIFETIMES, Site, Visitor},
};
use portico_domain::{
    model::{
        Change, Lifetimes, LoginAttempt, Revocation, Session, SessionId, SessionSummary, State,
    },
    ports::{Clock, SessionRegistry, SessionStore, SessionsUnavailable, Turn},
};

/// How often a waiting visitor looks whether it is their turn: a test needs little patience.
const LOOKS: usize = 100;

/// The sessions of a whole site in memory, which may be out of reach: see [`Server`]. They last as
/// long as the contract says.
#[derive(Clone, Debug)]
pub struct InMemorySite(Arc<Memory>);

impl Default for InMemorySite {
    fn default() -> Self {
        Self::lasting(LIFETIMES)
    }
}

impl InMemorySite {
    /// Sessions end as these lifetimes and the site's clock say.
    pub fn lasting(lifetimes: Lifetimes) -> Self {
        Self(Arc::new(Memory { lifetimes: Some(lifetimes), ..Memory::default() }))
    }
}

#[derive(Debug, Default)]
struct Memory {
    clock: Arc<ManualClock>,
    lifetimes: Option<Lifetimes>,
    away: AtomicBool,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// By the number in the visitor's cookie.
    visitors: BTreeMap<usize, (Option<Session>, Vec<LoginAttempt>)>,
    turns: BTreeSet<[u8; 16]>,
    used: BTreeMap<String, DateTime<Utc>>,
}

impl Memory {
    /// What is kept, without sessions that have passed their lifetimes.
    fn lock(&self) -> Result<MutexGuard<'_, Kept>, SessionsUnavailable> {
        if self.away.load(Ordering::SeqCst) {
            return Err(SessionsUnavailable("the test says so".into()));
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lifetimes) = self.lifetimes {
            kept.end(|session| !lifetimes.allow(session, self.clock.now()));
        }
        Ok(kept)
    }

    fn is_taken(&self, id: SessionId) -> Result<bool, SessionsUnavailable> {
        Ok(self.lock()?.turns.contains(id.as_bytes()))
    }
}

impl Kept {
    fn end(&mut self, which: impl Fn(&Session) -> bool) {
        for (session, _) in self.visitors.values_mut() {
            session.take_if(|session| which(session));
        }
    }
}

#[async_trait]
impl Server for InMemorySite {
    async fn stop(&mut self) {
        self.0.away.store(true, Ordering::SeqCst);
    }

    async fn start_again(&mut self) {
        self.0.away.store(false, Ordering::SeqCst);
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
        let_others_go_on().await;
    }
}

#[async_trait]
impl Instance for InMemorySite {
    fn registry(&self) -> Arc<dyn SessionRegistry> {
        Arc::new(self.clone())
    }

    async fn visitor(&self, cookies: Cookies) -> Box<dyn Visitor> {
        let memory = self.0.clone();
        let number = cookies.get("visitor").map(|number| number.parse());
        let next = {
            let mut kept = memory.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let next = kept.visitors.len() + 1;
            kept.visitors.insert(next, (None, Vec::new()));
            next
        };
        // A forged number is nobody's.
        let visitor = number.map_or(next, |number| number.unwrap_or(next));
        Box::new(InMemorySessions { memory, visitor })
    }
}

#[async_trait]
impl SessionRegistry for InMemorySite {
    async fn list(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<Vec<SessionSummary>>, SessionsUnavailable> {
        let kept = self.0.lock()?;
        let sessions = kept.visitors.values().filter_map(|(session, _)| session.as_ref());
        let theirs = sessions.filter(|session| session.is_of(issuer, subject));
        let mut summaries: Vec<_> = theirs.map(Session::summary).collect();
        summaries.sort_by_key(|summary| std::cmp::Reverse(summary.seen_at));
        Ok(Some(summaries))
    }

    async fn revoke(&self, revocation: &Revocation) -> Result<(), SessionsUnavailable> {
        self.0.lock()?.end(|session| revocation.covers(session));
        Ok(())
    }

    async fn first_use(
        &self,
        value: &str,
        until: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable> {
        let mut kept = self.0.lock()?;
        kept.used.retain(|_, until| self.0.clock.now() < *until);
        let is_used = kept.used.contains_key(value);
        kept.used.entry(value.to_owned()).or_insert(until);
        Ok(!is_used)
    }

    async fn check(&self) -> Result<(), SessionsUnavailable> {
        self.0.lock().map(drop)
    }
}

/// One visitor's session and attempts. Sessions last for ever, but for the visitors of an
/// [`InMemorySite`].
#[derive(Debug, Default)]
pub struct InMemorySessions {
    memory: Arc<Memory>,
    visitor: usize,
}

impl InMemorySessions {
    fn with_mine<T>(
        &self,
        what: impl FnOnce(&mut (Option<Session>, Vec<LoginAttempt>)) -> T,
    ) -> Result<T, SessionsUnavailable> {
        Ok(what(self.memory.lock()?.visitors.entry(self.visitor).or_default()))
    }
}

impl Visitor for InMemorySessions {
    fn cookies(&self) -> Cookies {
        [("visitor".to_owned(), self.visitor.to_string())].into()
    }
}

#[async_trait]
impl SessionStore for InMemorySessions {
    async fn current(&self) -> Result<Option<Session>, SessionsUnavailable> {
        self.with_mine(|(session, _)| session.clone())
    }

    async fn start(&self, session: &Session) -> Result<(), SessionsUnavailable> {
        self.with_mine(|(current, _)| *current = Some(session.clone()))
    }

    async fn update(&self, change: &Change) -> Result<Option<Session>, SessionsUnavailable> {
        self.with_mine(|(current, _)| {
            *current = current.take().map(|session| session.with(change.clone()));
            current.clone()
        })
    }

    async fn take_turn(&self) -> Result<Turn, SessionsUnavailable> {
        let Some(session) = self.current().await? else { return Ok(Turn::Over(None)) };
        if self.memory.lock()?.turns.insert(*session.id.as_bytes()) {
            return Ok(Turn::Yours(session));
        }
        for _ in 0..LOOKS {
            if !self.memory.is_taken(session.id)? {
                break;
            }
            let_others_go_on().await;
        }
        Ok(Turn::Over(self.current().await?))
    }

    async fn end_turn(&self) -> Result<(), SessionsUnavailable> {
        if let Some(session) = self.current().await? {
            self.memory.lock()?.turns.remove(session.id.as_bytes());
        }
        Ok(())
    }

    async fn end(&self) -> Result<(), SessionsUnavailable> {
        self.with_mine(|(current, _)| *current = None)
    }

    async fn remember(&self, attempt: &LoginAttempt) -> Result<(), SessionsUnavailable> {
        self.with_mine(|(_, attempts)| {
            attempts.push(attempt.clone());
            if attempts.len() > LoginAttempt::MAX_OPEN {
                attempts.remove(0);
            }
        })
    }

    async fn take_attempt(
        &self,
        state: &State,
    ) -> Result<Option<LoginAttempt>, SessionsUnavailable> {
        self.with_mine(|(_, attempts)| {
            let found = attempts.iter().position(|attempt| attempt.state == *state);
            found.map(|at| attempts.remove(at))
        })
    }
}

/// Lets whatever runs beside this go on.
async fn let_others_go_on() {
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
    async fn an_outage_is_said_and_makes_nobody_a_stranger() {
        let mut site = InMemorySite::default();
        let fresh = Arc::new(site.clone());
        crate::sessions::an_outage_is_said_and_makes_nobody_a_stranger(fresh, &mut site).await;
    }
}
