use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use portico_domain::{
    model::{LoginAttempt, State},
    ports::{Clock, Randomness, SessionsUnavailable},
};
use sha2::{Digest, Sha256};

use super::{
    chunks,
    hash::{self, Hash},
    jar::Jar,
    unavailable,
};

/// Notes what is good once, for all instances of the site.
#[async_trait]
pub(super) trait Once: Send + Sync {
    /// Whether nobody asked before. The answer is kept until then at least; now is `now`.
    async fn first(
        &self,
        what: Hash,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable>;
}

/// An attempt and a number of its own, by which it is noted as taken: a state might come twice.
type Numbered = ([u8; 16], LoginAttempt);

/// The login attempts of one visitor, for one request: each in a sealed cookie, so that a stranger
/// costs the site nothing to remember.
pub(super) struct Attempts<'r> {
    pub(super) jar: Jar<'r>,
    pub(super) once: &'r dyn Once,
    pub(super) clock: &'r dyn Clock,
    pub(super) randomness: &'r dyn Randomness,
    /// Absent until they were read; the oldest first.
    pub(super) known: Mutex<Option<Vec<Numbered>>>,
}

impl Attempts<'_> {
    pub(super) fn remember(&self, attempt: &LoginAttempt) -> Result<(), SessionsUnavailable> {
        let random = self.randomness.bytes().map_err(unavailable)?;
        let mut number = [0; 16];
        number.copy_from_slice(&random[..16]);
        let numbered = (number, attempt.clone());
        let text = chunks::to_text(&numbered).map_err(unavailable)?;
        if text.chars().count() > chunks::LONGEST {
            return Err(unavailable("the attempt is too large for a cookie"));
        }
        let mut known = self.lock();
        let attempts = self.read(&mut known);
        attempts.retain(|(_, other)| other.state != attempt.state);
        while attempts.len() >= LoginAttempt::AT_A_TIME {
            self.jar.remove(&name_of(&attempts.remove(0).1.state));
        }
        attempts.push(numbered);
        self.jar.add(&name_of(&attempt.state), text, LoginAttempt::LIFETIME);
        Ok(())
    }

    /// Two who bring copies of the same cookie at the same time get the attempt once.
    pub(super) async fn take(
        &self,
        state: &State,
    ) -> Result<Option<LoginAttempt>, SessionsUnavailable> {
        // Comparing states takes the same time wherever they differ.
        let found =
            self.read(&mut self.lock()).iter().find(|(_, one)| one.state == *state).cloned();
        let Some((number, attempt)) = found else {
            return Ok(None);
        };
        let now = self.clock.now();
        let until = now.max(attempt.started_at + LoginAttempt::LIFETIME) + TimeDelta::minutes(1);
        let first = self.once.first(hash::hash("attempt", &[&number]), until, now).await?;
        self.read(&mut self.lock()).retain(|(other, _)| *other != number);
        self.jar.remove(&name_of(state));
        Ok(first.then_some(attempt))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Numbered>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Known, or as the browser sent them; those that are not exactly right are cleared.
    fn read<'k>(&self, known: &'k mut Option<Vec<Numbered>>) -> &'k mut Vec<Numbered> {
        known.get_or_insert_with(|| {
            let mut attempts: Vec<Numbered> = Vec::new();
            for name in self.jar.sent("login_") {
                match self.jar.get(&name).and_then(|opened| chunks::from_text(&opened.text)) {
                    Some(attempt) => attempts.push(attempt),
                    None => self.jar.remove(&name),
                }
            }
            attempts.sort_by_key(|(_, attempt)| attempt.started_at);
            attempts
        })
    }
}

/// Cookies are told apart by 64 bits of a hash: a state may hold characters that a name may not.
fn name_of(state: &State) -> String {
    format!("login_{}", hash::hex(&Sha256::digest(state.expose())[..8]))
}
