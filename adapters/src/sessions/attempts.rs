//! Login attempts: one sealed cookie each, whatever keeps the sessions.

use std::sync::Mutex;
use std::{fmt::Write, sync::PoisonError};

use portico_domain::{
    model::{LoginAttempt, State},
    ports::{Clock, SessionsUnavailable},
};
use sha2::{Digest, Sha256};

use super::{
    chunks,
    jar::Jar,
    unavailable,
    vault::{Once, hash_of},
};

/// The attempts of one visitor, for one request. The jar does not show what was added to it in the
/// same request, so that it is remembered here.
#[derive(Default)]
pub(super) struct Attempts {
    /// Absent until they were read; the oldest first.
    known: Mutex<Option<Vec<LoginAttempt>>>,
}

impl Attempts {
    pub(super) fn remember(
        &self,
        jar: &Jar<'_>,
        attempt: &LoginAttempt,
    ) -> Result<(), SessionsUnavailable> {
        let text = chunks::to_text(attempt).map_err(unavailable)?;
        self.with(jar, |attempts| {
            attempts.retain(|other| other.state != attempt.state);
            while attempts.len() >= LoginAttempt::MAX_OPEN {
                jar.remove(name(jar, &attempts.remove(0).state));
            }
            attempts.push(attempt.clone());
        });
        jar.add_for_callback(name(jar, &attempt.state), text, LoginAttempt::LIFETIME);
        Ok(())
    }

    /// A browser may send its cookie twice at once, and a thief may send a copy: that the attempt
    /// was handed out is noted where all instances see it.
    pub(super) async fn take(
        &self,
        jar: &Jar<'_>,
        state: &State,
        once: &dyn Once,
        clock: &dyn Clock,
    ) -> Result<Option<LoginAttempt>, SessionsUnavailable> {
        let taken = self.with(jar, |attempts| {
            // Comparing states takes the same time wherever they differ.
            let found = attempts.iter().position(|attempt| attempt.state == *state)?;
            Some(attempts.remove(found))
        });
        let Some(attempt) = taken else {
            return Ok(None);
        };
        jar.remove(name(jar, state));
        let value = hash_of(["attempt", attempt.state.expose(), attempt.nonce.expose()]);
        let now = clock.now();
        // A clock that is a little behind on another instance must not make it good again.
        let until = now.max(attempt.started_at) + LoginAttempt::LIFETIME * 2;
        Ok(once.first(&value, now, until).await?.then_some(attempt))
    }

    /// Known, or as the browser sent them; those that are not exactly right are cleared.
    fn with<T>(&self, jar: &Jar<'_>, change: impl FnOnce(&mut Vec<LoginAttempt>) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let attempts = known.get_or_insert_with(|| {
            let mut attempts = Vec::new();
            for name in jar.sent("login_") {
                match jar.get(&name).and_then(|opened| chunks::from_text(&opened.value)) {
                    Some(attempt) => attempts.push(attempt),
                    None => jar.remove(name),
                }
            }
            attempts.sort_by_key(|attempt: &LoginAttempt| attempt.started_at);
            attempts
        });
        change(attempts)
    }
}

/// Cookies are told apart by 64 bits of a hash: a state may hold characters that a name may not.
pub(super) fn name(jar: &Jar<'_>, state: &State) -> String {
    let mut name = jar.name("login_");
    for byte in &Sha256::digest(state.expose())[..8] {
        // Writing to a text cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}
