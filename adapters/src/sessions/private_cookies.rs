use std::{
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use chrono::TimeDelta;
use portico_domain::{
    model::{Change, Lifetimes, LoginAttempt, Session, State},
    ports::{Clock, Randomness, SessionStore, SessionsUnavailable, Turn},
};
use rocket::{
    http::{Cookie, CookieJar, SameSite},
    time::{Duration, OffsetDateTime},
};
use sha2::{Digest, Sha256};

use super::{Sessions, chunks};

/// How the cookies are made.
#[derive(Clone, Copy, Debug)]
pub struct PrivateCookieSettings {
    /// Whether browsers reach the site by https. The cookies are then `Secure`, and their names
    /// begin with `__Host-`, so that no other host of the domain can set them (RFC 6265bis,
    /// section 4.1.3.2).
    pub secure: bool,
    /// How long sessions last.
    pub lifetimes: Lifetimes,
}

/// Whole sessions, sealed in the visitors' own cookies by Rocket: nothing is kept on this side.
///
/// What nobody keeps, nobody can revoke: a copy of the cookies is good until it expires, and a
/// request that is under way while its visitor logs out may still answer with a renewed session.
/// A site that minds keeps its sessions in a database.
pub struct PrivateCookies {
    settings: PrivateCookieSettings,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
}

impl PrivateCookies {
    /// Sessions as the settings say, dated by the clock.
    pub fn new(
        settings: PrivateCookieSettings,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Self {
        Self { settings, clock, randomness }
    }

    fn name(&self, name: &str) -> String {
        let prefix = if self.settings.secure { "__Host-" } else { "" };
        format!("{prefix}portico_{name}")
    }

    /// Cookies are told apart by 64 bits of a hash: a state may hold characters that a name may not.
    fn attempt_name(&self, state: &State) -> String {
        let hash = Sha256::digest(state.expose());
        let mut name = self.name("login_");
        for byte in &hash[..8] {
            // Writing to a text cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        name
    }

    /// Lax, not Strict: the callback comes from another site. A removal needs the same attributes,
    /// or browsers refuse it for a name with `__Host-`.
    fn cookie(&self, name: String, value: String, lasts: TimeDelta) -> Cookie<'static> {
        Cookie::build((name, value))
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(self.settings.secure)
            .max_age(Duration::seconds(lasts.num_seconds()))
            // `Max-Age` says it; without this Rocket would add a week from now.
            .expires(None::<OffsetDateTime>)
            .build()
    }
}

impl Sessions for PrivateCookies {
    fn of<'r>(&'r self, jar: &'r CookieJar<'_>) -> Box<dyn SessionStore + 'r> {
        Box::new(Visitor { site: self, jar, known: Mutex::default() })
    }
}

/// One visitor, for one request. The jar does not show what was added to it in the same request,
/// so that it is remembered here.
struct Visitor<'r> {
    site: &'r PrivateCookies,
    jar: &'r CookieJar<'r>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Absent until it was read or written.
    session: Option<Option<Session>>,
    /// Absent until they were read; the oldest first.
    attempts: Option<Vec<LoginAttempt>>,
}

impl Visitor<'_> {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn private(&self, name: &str) -> Option<String> {
        Some(self.jar.get_private(name)?.value().to_owned())
    }

    fn remove(&self, name: String) {
        self.jar.remove_private(self.site.cookie(name, String::new(), TimeDelta::zero()));
    }

    fn chunk_name(&self, index: usize) -> String {
        self.site.name(&format!("session_{index}"))
    }

    /// The names that the browser sent with this beginning.
    fn sent(&self, beginning: &str) -> Vec<String> {
        let beginning = self.site.name(beginning);
        let names = self.jar.iter().map(Cookie::name);
        names.filter(|name| name.starts_with(&beginning)).map(str::to_owned).collect()
    }

    /// Removes the chunks from this index on: those that the browser sent, and those that were
    /// added in this request.
    fn clear_chunks(&self, from: usize) {
        let kept: Vec<_> = (0..from).map(|index| self.chunk_name(index)).collect();
        let mut gone = self.sent("session_");
        gone.extend((from..chunks::MOST).map(|index| self.chunk_name(index)));
        gone.retain(|name| !kept.contains(name));
        gone.into_iter().for_each(|name| self.remove(name));
    }

    /// Known, or as the browser sent it. What it sent and is not exactly right is cleared, each
    /// time anew: a catcher that asks again clears again.
    fn session(&self, known: &mut Known) -> Option<Session> {
        let Some(session) = &known.session else {
            let session = chunks::join(|index| self.private(&self.chunk_name(index)))
                .filter(|session| self.allowed(session));
            match session {
                Some(_) => known.session = Some(session.clone()),
                None if !self.sent("session_").is_empty() => self.clear_chunks(0),
                None => {}
            }
            return session;
        };
        session.clone().filter(|session| self.allowed(session))
    }

    fn allowed(&self, session: &Session) -> bool {
        self.site.settings.lifetimes.allow(session, self.site.clock.now())
    }

    fn write(&self, known: &mut Known, session: &Session) -> Result<(), SessionsUnavailable> {
        let [a, b, c, d, e, f, g, h, ..] = self.site.randomness.bytes().map_err(unavailable)?;
        let chunks = chunks::cut(session, [a, b, c, d, e, f, g, h]).map_err(unavailable)?;
        let lasts = self.site.settings.lifetimes.end_of(session) - self.site.clock.now();
        self.clear_chunks(chunks.len());
        for (index, chunk) in chunks.into_iter().enumerate() {
            self.jar.add_private(self.site.cookie(self.chunk_name(index), chunk, lasts));
        }
        known.session = Some(Some(session.clone()));
        Ok(())
    }

    /// Known, or as the browser sent them, the oldest first; those that are not exactly right are
    /// cleared.
    fn attempts<'k>(&self, known: &'k mut Known) -> &'k mut Vec<LoginAttempt> {
        known.attempts.get_or_insert_with(|| {
            let mut attempts = Vec::new();
            for name in self.sent("login_") {
                let attempt = self.private(&name).and_then(|text| chunks::from_text(&text));
                match attempt {
                    Some(attempt) => attempts.push(attempt),
                    None => self.remove(name),
                }
            }
            attempts.sort_by_key(|attempt: &LoginAttempt| attempt.started_at);
            attempts
        })
    }
}

#[async_trait]
impl SessionStore for Visitor<'_> {
    async fn current(&self) -> Result<Option<Session>, SessionsUnavailable> {
        Ok(self.session(&mut self.known()))
    }

    async fn start(&self, session: &Session) -> Result<(), SessionsUnavailable> {
        self.write(&mut self.known(), session)
    }

    async fn update(&self, change: &Change) -> Result<Option<Session>, SessionsUnavailable> {
        let mut known = self.known();
        let Some(session) = self.session(&mut known) else {
            return Ok(None);
        };
        let session = session.with(change.clone());
        self.write(&mut known, &session)?;
        Ok(Some(session))
    }

    async fn take_turn(&self) -> Result<Turn, SessionsUnavailable> {
        let session = self.session(&mut self.known());
        Ok(session.map_or(Turn::Over(None), Turn::Yours))
    }

    async fn end_turn(&self) -> Result<(), SessionsUnavailable> {
        Ok(())
    }

    async fn end(&self) -> Result<(), SessionsUnavailable> {
        self.clear_chunks(0);
        self.known().session = Some(None);
        Ok(())
    }

    async fn remember(&self, attempt: &LoginAttempt) -> Result<(), SessionsUnavailable> {
        let text = chunks::to_text(attempt).map_err(unavailable)?;
        let mut known = self.known();
        let attempts = self.attempts(&mut known);
        attempts.retain(|other| other.state != attempt.state);
        while attempts.len() >= LoginAttempt::AT_A_TIME {
            self.remove(self.site.attempt_name(&attempts.remove(0).state));
        }
        attempts.push(attempt.clone());
        let name = self.site.attempt_name(&attempt.state);
        self.jar.add_private(self.site.cookie(name, text, LoginAttempt::LIFETIME));
        Ok(())
    }

    async fn take_attempt(
        &self,
        state: &State,
    ) -> Result<Option<LoginAttempt>, SessionsUnavailable> {
        let mut known = self.known();
        let attempts = self.attempts(&mut known);
        // Comparing states takes the same time wherever they differ.
        let Some(found) = attempts.iter().position(|attempt| attempt.state == *state) else {
            return Ok(None);
        };
        self.remove(self.site.attempt_name(state));
        Ok(Some(attempts.remove(found)))
    }
}

fn unavailable(cause: impl std::fmt::Display) -> SessionsUnavailable {
    SessionsUnavailable(cause.to_string())
}
