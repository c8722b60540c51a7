use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    model::{Change, Lifetimes, LoginAttempt, Profile, Session, State, User},
    ports::{
        Clock, Randomness, RandomnessUnavailable, SessionStore, SessionsUnavailable, Turn,
        UserRepository, UsersUnavailable,
    },
};

/// A clock that stands at the epoch until a test moves it.
#[derive(Debug, Default)]
pub struct SetClock(AtomicI64);

impl SetClock {
    /// Moves the clock forward; back with a negative delta. Whole seconds.
    pub fn advance(&self, by: TimeDelta) {
        self.0.fetch_add(by.num_seconds(), Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(self.0.load(Ordering::SeqCst))
    }
}

/// Chance that counts: never twice the same, and the same in every run.
#[derive(Debug, Default)]
pub struct CountingRandomness(AtomicU64);

impl Randomness for CountingRandomness {
    fn bytes(&self) -> Result<[u8; 32], RandomnessUnavailable> {
        let mut bytes = [0; 32];
        let count = self.0.fetch_add(1, Ordering::SeqCst);
        bytes[..8].copy_from_slice(&count.to_le_bytes());
        Ok(bytes)
    }
}

/// One visitor's session and attempts. Sessions last for ever unless the store is made with
/// [`InMemorySessions::lasting`].
#[derive(Debug, Default)]
pub struct InMemorySessions {
    kept: Mutex<(Option<Session>, Vec<LoginAttempt>)>,
    turn: AtomicBool,
    lifetimes: Option<(Lifetimes, Arc<SetClock>)>,
}

impl InMemorySessions {
    /// Sessions end as the lifetimes and the clock say.
    pub fn lasting(lifetimes: Lifetimes, clock: Arc<SetClock>) -> Self {
        Self { lifetimes: Some((lifetimes, clock)), ..Self::default() }
    }

    /// What is kept, without a session that has passed its lifetimes.
    fn lock(&self) -> MutexGuard<'_, (Option<Session>, Vec<LoginAttempt>)> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((lifetimes, clock)) = &self.lifetimes {
            kept.0.take_if(|session| !lifetimes.allow(session, clock.now()));
        }
        kept
    }
}

#[async_trait]
impl SessionStore for InMemorySessions {
    async fn current(&self) -> Result<Option<Session>, SessionsUnavailable> {
        Ok(self.lock().0.clone())
    }

    async fn start(&self, session: &Session) -> Result<(), SessionsUnavailable> {
        self.lock().0 = Some(session.clone());
        Ok(())
    }

    async fn update(&self, change: &Change) -> Result<Option<Session>, SessionsUnavailable> {
        let current = &mut self.lock().0;
        *current = current.take().map(|session| session.with(change.clone()));
        Ok(current.clone())
    }

    async fn take_turn(&self) -> Result<Turn, SessionsUnavailable> {
        // A test needs no patience: whoever waits has waited long enough.
        Ok(match self.current().await? {
            Some(session) if !self.turn.swap(true, Ordering::SeqCst) => Turn::Yours(session),
            session => Turn::Over(session),
        })
    }

    async fn end_turn(&self) -> Result<(), SessionsUnavailable> {
        self.turn.store(false, Ordering::SeqCst);
        Ok(())
    }

    async fn end(&self) -> Result<(), SessionsUnavailable> {
        self.lock().0 = None;
        Ok(())
    }

    async fn remember(&self, attempt: &LoginAttempt) -> Result<(), SessionsUnavailable> {
        let attempts = &mut self.lock().1;
        attempts.push(attempt.clone());
        if attempts.len() > LoginAttempt::AT_A_TIME {
            attempts.remove(0);
        }
        Ok(())
    }

    async fn take_attempt(
        &self,
        state: &State,
    ) -> Result<Option<LoginAttempt>, SessionsUnavailable> {
        let attempts = &mut self.lock().1;
        let found = attempts.iter().position(|attempt| attempt.state == *state);
        Ok(found.map(|at| attempts.remove(at)))
    }
}

/// Users in memory.
#[derive(Debug, Default)]
pub struct InMemoryUsers(Mutex<BTreeMap<(String, String), User>>);

impl InMemoryUsers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, String), User>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(issuer: &str, subject: &str) -> (String, String) {
    (issuer.to_owned(), subject.to_owned())
}

#[async_trait]
impl UserRepository for InMemoryUsers {
    async fn admit(
        &self,
        issuer: &str,
        subject: &str,
        profile: &Profile,
        now: DateTime<Utc>,
    ) -> Result<User, UsersUnavailable> {
        let mut users = self.lock();
        let user = users.entry(key(issuer, subject)).or_insert_with(|| User {
            issuer: issuer.into(),
            subject: subject.into(),
            profile: profile.clone(),
            first_seen: now,
            last_login: now,
            logins: 0,
        });
        user.profile = profile.clone();
        user.last_login = user.last_login.max(now);
        user.logins += 1;
        Ok(user.clone())
    }

    async fn find(&self, issuer: &str, subject: &str) -> Result<Option<User>, UsersUnavailable> {
        Ok(self.lock().get(&key(issuer, subject)).cloned())
    }

    async fn list(&self, limit: u32) -> Result<Vec<User>, UsersUnavailable> {
        let mut users: Vec<_> = self.lock().values().cloned().collect();
        users.sort_by_key(|user| std::cmp::Reverse(user.last_login));
        users.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(users)
    }

    async fn delete(&self, issuer: &str, subject: &str) -> Result<bool, UsersUnavailable> {
        Ok(self.lock().remove(&key(issuer, subject)).is_some())
    }

    async fn check(&self) -> Result<(), UsersUnavailable> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{session_store_contract, testing::contract, user_repository_contract};

    async fn users() -> (Arc<dyn UserRepository>, ()) {
        (Arc::new(InMemoryUsers::default()), ())
    }

    async fn sessions() -> (Arc<dyn SessionStore>, Arc<SetClock>) {
        let clock = Arc::new(SetClock::default());
        let lifetimes = contract::sessions::LIFETIMES;
        (Arc::new(InMemorySessions::lasting(lifetimes, clock.clone())), clock)
    }

    user_repository_contract!(users());
    session_store_contract!(sessions());
}
