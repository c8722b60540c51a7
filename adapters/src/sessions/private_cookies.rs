use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use portico_domain::{
    model::{Change, LoginAttempt, Revocation, Session, SessionId, SessionSummary, State},
    ports::{Clock, Randomness, SessionRegistry, SessionStore, SessionsUnavailable, Turn},
};
use rocket::http::CookieJar;
use tokio::time::{Instant, timeout};

use super::{
    SessionSettings, Sessions,
    attempts::{Attempts, Once},
    chunks, database, hash,
    jar::{Cookies, Jar},
    revocations::Revocations,
    server_side::{PATIENCE, POLL},
    turns::Turns,
    unavailable,
};
use crate::database::Database;

/// Whole sessions, sealed in the visitors' own cookies by Rocket. Of a session that was ended the
/// database keeps a hash, until its cookies would have expired.
pub struct PrivateCookies {
    settings: SessionSettings,
    cookies: Cookies,
    once: Arc<dyn Once>,
    revocations: Arc<Revocations>,
    turns: Turns,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
}

impl PrivateCookies {
    /// Sessions as the settings say, dated by the clock. The database holds the list of those that
    /// were ended, and which login attempts were taken; it is not waited for. Two tasks, which end
    /// with this value, read the list and tidy up: the caller is within a tokio runtime.
    pub fn new(
        settings: SessionSettings,
        database: &Database,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Arc<Self> {
        let tables = database::tables(database, &clock);
        let revocations = Revocations::new(tables.clone(), clock.clone(), settings.lifetimes);
        let (cookies, turns) = (Cookies::new(&settings), Turns::default());
        let once = tables;
        Arc::new(Self { settings, cookies, once, revocations, turns, clock, randomness })
    }
}

impl Sessions for PrivateCookies {
    fn of<'r>(&'r self, jar: &'r CookieJar<'_>) -> Box<dyn SessionStore + 'r> {
        let jar = self.cookies.of(jar);
        let (once, clock, randomness) = (&*self.once, &*self.clock, &*self.randomness);
        let attempts = Attempts { jar, once, clock, randomness, known: Mutex::default() };
        let (known, turn) = (Mutex::default(), Mutex::default());
        Box::new(Visitor { site: self, jar, attempts, known, turn })
    }
}

#[async_trait]
impl SessionRegistry for PrivateCookies {
    async fn list(
        &self,
        _: &str,
        _: &str,
    ) -> Result<Option<Vec<SessionSummary>>, SessionsUnavailable> {
        Ok(None)
    }

    async fn revoke(&self, revocation: &Revocation) -> Result<(), SessionsUnavailable> {
        self.revocations.add(revocation).await
    }

    async fn first_use(
        &self,
        value: &str,
        until: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable> {
        let value = hash::hash("value", &[value.as_bytes()]);
        self.once.first(value, until, self.clock.now()).await
    }

    async fn check(&self) -> Result<(), SessionsUnavailable> {
        self.revocations.read().await
    }
}

/// One visitor, for one request. The jar does not show what was added to it in the same request,
/// so that it is remembered here.
struct Visitor<'r> {
    site: &'r PrivateCookies,
    jar: Jar<'r>,
    attempts: Attempts<'r>,
    /// Absent until it was read or written.
    known: Mutex<Option<Option<Session>>>,
    turn: Mutex<Option<(SessionId, u64)>>,
}

impl Visitor<'_> {
    fn known(&self) -> MutexGuard<'_, Option<Option<Session>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the chunks from this index on: those that the browser sent, and those that were
    /// added in this request.
    fn clear_chunks(&self, from: usize) {
        let kept: Vec<_> = (0..from).map(chunk_name).collect();
        let mut gone = self.jar.sent("session_");
        gone.extend((from..chunks::MOST).map(chunk_name));
        gone.retain(|name| !kept.contains(name));
        gone.iter().for_each(|name| self.jar.remove(name));
    }

    /// Known, or as the browser sent it, and whether it is to be written anew: it was sealed with
    /// an earlier key, or another request refreshed it.
    fn read(&self) -> Option<(Session, bool)> {
        let now = self.site.clock.now();
        let known = self.known().clone();
        let (session, by_previous_key) = match known {
            Some(session) => (session?, false),
            None => self.sent()?,
        };
        if !self.site.settings.lifetimes.allow(&session, now) {
            return None;
        }
        Some(match self.site.turns.newer(&session, now) {
            Some(newer) => (newer, true),
            None => (session, by_previous_key),
        })
    }

    fn sent(&self) -> Option<(Session, bool)> {
        let mut by_previous_key = false;
        let session = chunks::join(|index| {
            let opened = self.jar.get(&chunk_name(index))?;
            by_previous_key |= opened.by_previous_key;
            Some(opened.text)
        })?;
        Some((session, by_previous_key))
    }

    /// The session, unless it was revoked. What the browser sent and is not exactly right is
    /// cleared, each time anew: a catcher that asks again clears again.
    async fn session(&self) -> Result<Option<Session>, SessionsUnavailable> {
        let Some((session, to_be_written)) = self.read() else {
            if self.known().is_none() && !self.jar.sent("session_").is_empty() {
                self.clear_chunks(0);
            }
            return Ok(None);
        };
        if self.site.revocations.cover(&session).await? {
            self.clear_chunks(0);
            *self.known() = Some(None);
            return Ok(None);
        }
        if to_be_written {
            self.write(&session)?;
        } else {
            *self.known() = Some(Some(session.clone()));
        }
        Ok(Some(session))
    }

    fn write(&self, session: &Session) -> Result<(), SessionsUnavailable> {
        let [a, b, c, d, e, f, g, h, ..] = self.site.randomness.bytes().map_err(unavailable)?;
        let chunks = chunks::cut(session, [a, b, c, d, e, f, g, h]).map_err(unavailable)?;
        let lasts = self.site.settings.lifetimes.end_of(session) - self.site.clock.now();
        self.clear_chunks(chunks.len());
        for (index, chunk) in chunks.into_iter().enumerate() {
            self.jar.add(&chunk_name(index), chunk, lasts);
        }
        *self.known() = Some(Some(session.clone()));
        Ok(())
    }

    /// Tells everybody that the session has ended, lest a copy of its cookies bring it back.
    async fn revoke(&self, session: &Session) {
        if let Err(error) = self.site.revocations.end(session).await {
            log::warn!("other instances hear later that a session has ended: {error}");
        }
        self.site.turns.forget(session.id);
    }

    fn give_turn_back(&self) {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((id, number)) = turn {
            self.site.turns.give_back(id, number);
        }
    }
}

#[async_trait]
impl SessionStore for Visitor<'_> {
    async fn current(&self) -> Result<Option<Session>, SessionsUnavailable> {
        self.session().await
    }

    async fn start(&self, session: &Session) -> Result<(), SessionsUnavailable> {
        let earlier = self.read().map(|(earlier, _)| earlier);
        self.write(session)?;
        if let Some(earlier) = earlier.filter(|earlier| earlier.id != session.id) {
            self.revoke(&earlier).await;
        }
        Ok(())
    }

    async fn update(&self, change: &Change) -> Result<Option<Session>, SessionsUnavailable> {
        let Some(session) = self.session().await? else {
            return Ok(None);
        };
        let older = session.tokens.clone();
        let session = session.with(change.clone());
        self.write(&session)?;
        if matches!(change, Change::Refreshed(_)) {
            self.site.turns.refreshed(&older, &session, self.site.clock.now());
        }
        Ok(Some(session))
    }

    async fn take_turn(&self) -> Result<Turn, SessionsUnavailable> {
        let Some(session) = self.session().await? else {
            return Ok(Turn::Over(None));
        };
        let given_back = match self.site.turns.take(session.id, self.site.clock.now()) {
            Ok(number) => {
                let turn = Some((session.id, number));
                *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = turn;
                // Another may have refreshed it just before.
                let session = self.session().await?;
                return Ok(session.map_or(Turn::Over(None), Turn::Yours));
            }
            Err(given_back) => given_back,
        };
        let begun = Instant::now();
        while self.site.turns.is_taken(session.id, self.site.clock.now())
            && begun.elapsed() < PATIENCE
        {
            // Asks again even when nobody says so: a turn may end by itself.
            let _ = timeout(POLL, given_back.notified()).await;
        }
        Ok(Turn::Over(self.session().await?))
    }

    async fn end_turn(&self) -> Result<(), SessionsUnavailable> {
        self.give_turn_back();
        Ok(())
    }

    /// Also where the database is away: the cookies are cleared all the same.
    async fn end(&self) -> Result<(), SessionsUnavailable> {
        let session = self.read();
        self.clear_chunks(0);
        *self.known() = Some(None);
        if let Some((session, _)) = session {
            self.revoke(&session).await;
        }
        self.give_turn_back();
        Ok(())
    }

    async fn remember(&self, attempt: &LoginAttempt) -> Result<(), SessionsUnavailable> {
        self.attempts.remember(attempt)
    }

    async fn take_attempt(
        &self,
        state: &State,
    ) -> Result<Option<LoginAttempt>, SessionsUnavailable> {
        self.attempts.take(state).await
    }
}

impl Drop for Visitor<'_> {
    /// A request that breaks off keeps nobody waiting.
    fn drop(&mut self) {
        self.give_turn_back();
    }
}

fn chunk_name(index: usize) -> String {
    format!("session_{index}")
}
