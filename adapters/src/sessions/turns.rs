use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use portico_domain::model::{Change, Refreshed, Session, SessionId, Tokens};
use tokio::sync::Notify;

use super::hash::{self, Hash};

/// How long a turn lasts that is not given back.
pub(super) const LEASE: TimeDelta = TimeDelta::seconds(30);

/// How long requests that were under way during a refresh may come with the cookies of before.
const AFTERWARDS: TimeDelta = TimeDelta::minutes(10);

/// Sessions noted at a time, of which each takes as much as its tokens. Beyond these, the one that
/// would be forgotten first is.
const MOST: usize = 10_000;

/// Whose turn it is to refresh the tokens of sessions that are kept in cookies, and what came of
/// it, within this process.
///
/// Requests that were sent before a refreshed session reached the browser bring its older cookies.
/// They are handed the newer tokens, lest they use the older ones, or write them over the newer.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<SessionId, Noted>>);

struct Noted {
    /// The number of the turn, and when it ends by itself.
    turn: Option<(u64, DateTime<Utc>)>,
    turns: u64,
    given_back: Arc<Notify>,
    refreshed: Option<Refreshed>,
    /// The tokens that others replaced since.
    replaced: Vec<Hash>,
    forget_at: DateTime<Utc>,
}

impl Turns {
    /// The number of the turn, or what tells that it is given back.
    pub(super) fn take(&self, id: SessionId, now: DateTime<Utc>) -> Result<u64, Arc<Notify>> {
        let mut sessions = self.lock();
        let noted = noted(&mut sessions, id, now);
        if noted.turn.is_some_and(|(_, end)| now < end) {
            return Err(noted.given_back.clone());
        }
        noted.turns += 1;
        noted.turn = Some((noted.turns, now + LEASE));
        noted.forget_at = now + AFTERWARDS;
        Ok(noted.turns)
    }

    /// Whether another has the turn now.
    pub(super) fn is_taken(&self, id: SessionId, now: DateTime<Utc>) -> bool {
        let sessions = self.lock();
        sessions.get(&id).and_then(|noted| noted.turn).is_some_and(|(_, end)| now < end)
    }

    pub(super) fn give_back(&self, id: SessionId, number: u64) {
        if let Some(noted) = self.lock().get_mut(&id) {
            noted.turn.take_if(|(turn, _)| *turn == number);
            noted.given_back.notify_waiters();
        }
    }

    /// Notes that the session has newer tokens than these.
    pub(super) fn refreshed(&self, older: &Tokens, session: &Session, now: DateTime<Utc>) {
        let mut sessions = self.lock();
        let noted = noted(&mut sessions, session.id, now);
        let (tokens, permissions) = (session.tokens.clone(), Some(session.permissions.clone()));
        noted.refreshed = Some(Refreshed { tokens, permissions });
        noted.replaced.retain(|replaced| *replaced != of(&session.tokens));
        noted.replaced.push(of(older));
        noted.forget_at = now + AFTERWARDS;
    }

    /// The session with the newer tokens, where these replaced those that it has; else nothing.
    pub(super) fn newer(&self, session: &Session, now: DateTime<Utc>) -> Option<Session> {
        let sessions = self.lock();
        let noted = sessions.get(&session.id).filter(|noted| now < noted.forget_at)?;
        let refreshed = noted.refreshed.clone()?;
        let is_older = noted.replaced.contains(&of(&session.tokens));
        is_older.then(|| session.clone().with(Change::Refreshed(refreshed)))
    }

    /// Forgets what is noted of a session that has ended.
    pub(super) fn forget(&self, id: SessionId) {
        if let Some(noted) = self.lock().remove(&id) {
            noted.given_back.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Noted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is noted of the session; makes room first where it is new.
fn noted(
    sessions: &mut HashMap<SessionId, Noted>,
    id: SessionId,
    now: DateTime<Utc>,
) -> &mut Noted {
    if sessions.len() >= MOST && !sessions.contains_key(&id) {
        sessions.retain(|_, noted| now < noted.forget_at);
        if sessions.len() >= MOST {
            let first = sessions.iter().min_by_key(|(_, noted)| noted.forget_at);
            first.map(|(id, _)| *id).and_then(|id| sessions.remove(&id));
        }
    }
    let noted = sessions.entry(id).or_insert_with(|| Noted {
        turn: None,
        turns: 0,
        given_back: Arc::default(),
        refreshed: None,
        replaced: Vec::new(),
        forget_at: now + AFTERWARDS,
    });
    if noted.forget_at <= now {
        (noted.refreshed, noted.forget_at) = (None, now + AFTERWARDS);
        noted.replaced.clear();
    }
    noted
}

fn of(tokens: &Tokens) -> Hash {
    let refresh = tokens.refresh_token.as_ref().map_or("", |token| token.expose());
    hash::hash("tokens", &[tokens.access_token.expose().as_bytes(), refresh.as_bytes()])
}
