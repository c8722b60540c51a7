use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use portico_domain::{
    model::{Change, LoginAttempt, Session, State},
    ports::{SessionStore, SessionsUnavailable, Turn},
};
use tokio::time::{Instant, sleep};

use super::{
    attempts::Attempts,
    hash::Hash,
    jar::Jar,
    server_side::{PATIENCE, POLL, ServerSide, Ticket},
    turns::LEASE,
    unavailable,
};

/// The one private cookie.
const COOKIE: &str = "session";

/// Times that a change gives way to others' changes: each time another has made its own.
const MOST_TRIES: usize = 1_000;

/// One visitor whose session the site keeps, for one request, in which it is read once.
pub(super) struct Visitor<'r> {
    site: &'r ServerSide,
    jar: Jar<'r>,
    attempts: Attempts<'r>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Absent until it was read or written, then what the browser holds, if anything.
    ticket: Option<Option<Held>>,
    /// Absent until it was read or written.
    session: Option<Option<Read>>,
    /// The session whose turn this request has, and the number of the turn.
    turn: Option<(Hash, [u8; 16])>,
}

#[derive(Clone)]
struct Held {
    text: String,
    key: Hash,
    by_previous_key: bool,
}

/// A session, and its very bytes in the vault.
#[derive(Clone)]
struct Read {
    session: Session,
    sealed: Vec<u8>,
}

impl<'r> Visitor<'r> {
    pub(super) fn new(site: &'r ServerSide, jar: Jar<'r>, attempts: Attempts<'r>) -> Self {
        Self { site, jar, attempts, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> Option<Held> {
        let mut known = self.known();
        let held = known.ticket.get_or_insert_with(|| {
            let opened = self.jar.get(COOKIE)?;
            let ticket = Ticket::held(opened.text);
            let by_previous_key = opened.by_previous_key;
            Some(Held { key: ticket.key(), text: ticket.text(), by_previous_key })
        });
        held.clone()
    }

    /// The session as it was read, or is read now. What the browser sent and opens nothing is
    /// cleared, each time anew: a catcher that asks again clears again.
    async fn session(&self) -> Result<Option<Read>, SessionsUnavailable> {
        let known = self.known().session.clone();
        let read = match known {
            Some(read) => read.filter(|read| self.allowed(&read.session)),
            None => self.read().await?,
        };
        self.known().session = Some(read.clone());
        Ok(read)
    }

    /// Reads it anew; seals it anew where an earlier key did.
    async fn read(&self) -> Result<Option<Read>, SessionsUnavailable> {
        let Some(held) = self.held() else {
            self.clear();
            return Ok(None);
        };
        let sealed = self.site.vault.read(&held.key).await?;
        let opened = sealed.and_then(|sealed| {
            let opened = self.site.seal.open(&held.key, &sealed)?;
            self.allowed(&opened.session).then_some((opened, sealed))
        });
        let Some((opened, mut sealed)) = opened else {
            self.clear();
            return Ok(None);
        };
        let session = opened.session;
        if held.by_previous_key {
            self.give(&held.text, &session);
        }
        if opened.by_previous_key {
            let kept = self.site.seal(&held.key, &session)?;
            // Where another was faster, that one sealed it with the current key.
            if self.site.vault.swap(&held.key, &sealed, &kept).await? {
                sealed = kept.sealed;
            }
        }
        Ok(Some(Read { session, sealed }))
    }

    fn allowed(&self, session: &Session) -> bool {
        self.site.settings.lifetimes.allow(session, self.site.clock.now())
    }

    /// Hands the browser its cookie, which lasts as long as the session.
    fn give(&self, text: &str, session: &Session) {
        let lasts = self.site.settings.lifetimes.end_of(session) - self.site.clock.now();
        self.jar.add(COOKIE, text.to_owned(), lasts);
    }

    /// Takes away what the browser sent.
    fn clear(&self) {
        if !self.jar.sent(COOKIE).is_empty() {
            self.jar.sent(COOKIE).iter().for_each(|name| self.jar.remove(name));
        }
    }
}

#[async_trait]
impl SessionStore for Visitor<'_> {
    async fn current(&self) -> Result<Option<Session>, SessionsUnavailable> {
        Ok(self.session().await?.map(|read| read.session))
    }

    async fn start(&self, session: &Session) -> Result<(), SessionsUnavailable> {
        let earlier = self.held();
        let ticket = Ticket::fresh(&*self.site.randomness)?;
        let (key, text) = (ticket.key(), ticket.text());
        let kept = self.site.seal(&key, session)?;
        self.site.vault.insert(&key, &kept).await?;
        if let Some(earlier) = earlier {
            self.site.vault.delete(&earlier.key).await?;
        }
        self.clear();
        self.give(&text, session);
        let mut known = self.known();
        known.ticket = Some(Some(Held { text, key, by_previous_key: false }));
        known.session = Some(Some(Read { session: session.clone(), sealed: kept.sealed }));
        Ok(())
    }

    /// Compares and swaps: what another changed since it was read is read again, and kept.
    async fn update(&self, change: &Change) -> Result<Option<Session>, SessionsUnavailable> {
        for _ in 0..MOST_TRIES {
            let (Some(held), Some(read)) = (self.held(), self.session().await?) else {
                return Ok(None);
            };
            let session = read.session.with(change.clone());
            let kept = self.site.seal(&held.key, &session)?;
            if self.site.vault.swap(&held.key, &read.sealed, &kept).await? {
                self.give(&held.text, &session);
                let read = Read { session: session.clone(), sealed: kept.sealed };
                self.known().session = Some(Some(read));
                return Ok(Some(session));
            }
            self.known().session = None;
        }
        Err(unavailable("the session changes all the time"))
    }

    async fn take_turn(&self) -> Result<Turn, SessionsUnavailable> {
        let Some(Held { key, .. }) = self.held() else {
            return Ok(Turn::Over(None));
        };
        let mut number = [0; 16];
        number.copy_from_slice(&self.site.randomness.bytes().map_err(unavailable)?[..16]);
        let now = self.site.clock.now();
        let is_ours = self.site.vault.take_turn(&key, &number, now, now + LEASE).await?;
        if is_ours {
            self.known().turn = Some((key, number));
        } else {
            let begun = Instant::now();
            while self.site.vault.turn_is_taken(&key, self.site.clock.now()).await?
                && begun.elapsed() < PATIENCE
            {
                sleep(POLL).await;
            }
        }
        self.known().session = None;
        Ok(match self.current().await? {
            Some(session) if is_ours => Turn::Yours(session),
            session => Turn::Over(session),
        })
    }

    async fn end_turn(&self) -> Result<(), SessionsUnavailable> {
        let turn = self.known().turn.take();
        match turn {
            Some((key, number)) => self.site.vault.end_turn(&key, &number).await,
            None => Ok(()),
        }
    }

    async fn end(&self) -> Result<(), SessionsUnavailable> {
        if let Some(held) = self.held() {
            self.site.vault.delete(&held.key).await?;
        }
        self.jar.remove(COOKIE);
        let mut known = self.known();
        (known.ticket, known.session, known.turn) = (Some(None), Some(None), None);
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
