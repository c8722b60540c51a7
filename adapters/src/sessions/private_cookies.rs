use std::{
    cell::Cell,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use portico_domain::{
    model::{Change, LoginAttempt, Revocation, Session, SessionSummary, State},
    ports::{Clock, Randomness, SessionRegistry, SessionStore, SessionsUnavailable, Turn},
};
use rocket::http::CookieJar;

use super::{
    Sessions,
    attempts::Attempts,
    chunks,
    jar::{CookieSettings, Cookies, Jar},
    revocations::Revocations,
    turns::Turns,
    unavailable,
    vault::hash_of,
};
use crate::database::Database;

/// Whole sessions, sealed in the visitors' own cookies by Rocket. On this side only a list is kept
/// of the sessions that ended before their time, in the database, so that a copy of the cookies of
/// one who logged out is good for nothing.
///
/// Nobody can list such sessions. A turn to refresh reaches as far as the process: of two
/// instances that refresh one session in the same moment, the later one needs a provider that
/// still takes the earlier refresh token for a few seconds.
pub struct PrivateCookies {
    cookies: Cookies,
    revocations: Arc<Revocations>,
    turns: Turns,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
}

impl PrivateCookies {
    /// Sessions as the settings say, dated by the clock. Needs a runtime of Tokio, and waits for
    /// no database.
    pub fn new(
        settings: CookieSettings,
        database: &Database,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Self {
        let log = database.revocations();
        let revocations = Revocations::new(log, clock.clone(), randomness.clone());
        let cookies = Cookies::new(settings);
        Self { cookies, revocations, turns: Turns::default(), clock, randomness }
    }
}

impl Sessions for PrivateCookies {
    fn of<'r>(&'r self, jar: &'r CookieJar<'_>) -> Box<dyn SessionStore + 'r> {
        let jar = self.cookies.of(jar);
        Box::new(Visitor {
            site: self,
            jar,
            session: Mutex::default(),
            attempts: Attempts::default(),
        })
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
        let last_end = self.clock.now() + self.cookies.settings.lifetimes.absolute;
        self.revocations.add(revocation.clone(), last_end).await
    }

    async fn first_use(
        &self,
        value: &str,
        until: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable> {
        let value = hash_of(["value", value, ""]);
        self.revocations.log().first(&value, self.clock.now(), until).await
    }

    async fn check(&self) -> Result<(), SessionsUnavailable> {
        self.revocations.log().check().await
    }
}

/// One visitor, for one request. The jar does not show what was added to it in the same request,
/// so that it is remembered here.
struct Visitor<'r> {
    site: &'r PrivateCookies,
    jar: Jar<'r>,
    /// Absent until it was read or written.
    session: Mutex<Option<Option<Session>>>,
    attempts: Attempts,
}

impl Visitor<'_> {
    fn known(&self) -> MutexGuard<'_, Option<Option<Session>>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn chunk_name(&self, index: usize) -> String {
        self.jar.name(&format!("session_{index}"))
    }

    /// Removes the chunks from this index on: those that the browser sent, and those that were
    /// added in this request.
    fn clear_chunks(&self, from: usize) {
        let kept: Vec<_> = (0..from).map(|index| self.chunk_name(index)).collect();
        let mut gone = self.jar.sent("session_");
        gone.extend((from..chunks::MOST).map(|index| self.chunk_name(index)));
        gone.retain(|name| !kept.contains(name));
        gone.into_iter().for_each(|name| self.jar.remove(name));
    }

    /// As the browser sent it. What it sent and is not exactly right is cleared, each time anew: a
    /// catcher that asks again clears again.
    fn sent(&self) -> Option<(Session, bool)> {
        let by_earlier_key = Cell::new(false);
        let session = chunks::join(|index| {
            let opened = self.jar.get(&self.chunk_name(index))?;
            by_earlier_key.set(by_earlier_key.get() || opened.by_earlier_key);
            Some(opened.value)
        });
        if session.is_none() && !self.jar.sent("session_").is_empty() {
            self.clear_chunks(0);
        }
        Some((session?, by_earlier_key.get()))
    }

    /// Known, or as the browser sent it. A session from before a refresh becomes the refreshed one,
    /// and one that an earlier key sealed is sealed anew.
    async fn session(&self) -> Result<Option<Session>, SessionsUnavailable> {
        let known = self.known().clone();
        let session = match known {
            Some(session) => session,
            None => match self.sent() {
                Some((session, by_earlier_key)) => {
                    let newer = self.site.turns.newer(&session, self.site.clock.now());
                    let is_to_be_written = by_earlier_key || newer.is_some();
                    let session = newer.unwrap_or(session);
                    if is_to_be_written && self.allows(&session) {
                        self.write(&session)?;
                    }
                    Some(session)
                }
                None => None,
            },
        };
        let Some(session) = session else { return Ok(None) };
        // Also a session that is known: it may have been ended since.
        if !self.allows(&session) || self.site.revocations.cover(&session).await? {
            self.clear_chunks(0);
            *self.known() = Some(None);
            return Ok(None);
        }
        *self.known() = Some(Some(session.clone()));
        Ok(Some(session))
    }

    fn allows(&self, session: &Session) -> bool {
        self.site.cookies.settings.lifetimes.allow(session, self.site.clock.now())
    }

    fn write(&self, session: &Session) -> Result<(), SessionsUnavailable> {
        let [a, b, c, d, e, f, g, h, ..] = self.site.randomness.bytes().map_err(unavailable)?;
        let chunks = chunks::cut(session, [a, b, c, d, e, f, g, h]).map_err(unavailable)?;
        let lasts =
            self.site.cookies.settings.lifetimes.expires_at(session) - self.site.clock.now();
        self.clear_chunks(chunks.len());
        for (index, chunk) in chunks.into_iter().enumerate() {
            self.jar.add(self.chunk_name(index), chunk, lasts);
        }
        *self.known() = Some(Some(session.clone()));
        Ok(())
    }
}

#[async_trait]
impl SessionStore for Visitor<'_> {
    async fn current(&self) -> Result<Option<Session>, SessionsUnavailable> {
        self.session().await
    }

    async fn start(&self, session: &Session) -> Result<(), SessionsUnavailable> {
        let earlier = self.session().await?;
        if earlier.is_some_and(|earlier| earlier.id != session.id) {
            self.end().await?;
        }
        self.write(session)
    }

    async fn update(&self, change: &Change) -> Result<Option<Session>, SessionsUnavailable> {
        let Some(session) = self.session().await? else {
            return Ok(None);
        };
        if let Change::RefreshedTokens(refreshed) = change {
            self.site.turns.note(&session, refreshed, self.site.clock.now());
        }
        let session = session.with(change.clone());
        self.write(&session)?;
        Ok(Some(session))
    }

    async fn take_turn(&self) -> Result<Turn, SessionsUnavailable> {
        let Some(session) = self.session().await? else {
            return Ok(Turn::Over(None));
        };
        let is_ours = self.site.turns.take(session.id, self.site.clock.now()).await;
        // Whoever had the turn before may have refreshed the session.
        if let Some(newer) = self.site.turns.newer(&session, self.site.clock.now()) {
            self.write(&newer)?;
        }
        let session = self.session().await?;
        Ok(match session {
            Some(session) if is_ours => Turn::Yours(session),
            session => Turn::Over(session),
        })
    }

    async fn end_turn(&self) -> Result<(), SessionsUnavailable> {
        if let Some(session) = self.session().await? {
            self.site.turns.end(session.id);
        }
        Ok(())
    }

    /// The cookies are cleared in any case. A copy of them, and a request under way, is good for
    /// nothing as soon as the list says so.
    async fn end(&self) -> Result<(), SessionsUnavailable> {
        let known = self.known().clone();
        let session = known.unwrap_or_else(|| self.sent().map(|(session, _)| session));
        self.clear_chunks(0);
        *self.known() = Some(None);
        let Some(session) = session.filter(|session| self.allows(session)) else {
            return Ok(());
        };
        self.site.turns.forget(session.id);
        // A request under way may note a visit first, and make the session last from now on.
        let lifetimes = self.site.cookies.settings.lifetimes;
        let last_end =
            lifetimes.expires_at(&session.clone().with(Change::Seen(self.site.clock.now())));
        let Session { issuer, subject, id, .. } = session;
        let revocation = Revocation::Session { issuer, subject, id };
        if let Err(cause) = self.site.revocations.add(revocation, last_end).await {
            log::warn!("the other instances cannot be told yet that a session ended: {cause}");
        }
        Ok(())
    }

    async fn remember(&self, attempt: &LoginAttempt) -> Result<(), SessionsUnavailable> {
        self.attempts.remember(&self.jar, attempt)
    }

    async fn take_attempt(
        &self,
        state: &State,
    ) -> Result<Option<LoginAttempt>, SessionsUnavailable> {
        let once = self.site.revocations.log();
        self.attempts.take(&self.jar, state, once, &*self.site.clock).await
    }
}
