//! Log-in attempts: one sealed cookie each.

use std::{
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use portico_domain::{
    model::{LoginAttempt, LoginLoopGuard, State},
    ports::{Clock, LoginAttempts, ReplayGuard, SessionsUnavailable},
};
use rocket::Request;
use sha2::{Digest, Sha256};

use super::{
    CookieSettings, LoginAttemptStores,
    cookie::{from_text, to_text},
    cookies::{Cookies, Jar},
    unavailable,
};

/// Size of all attempts of a browser, in bytes: proxies and servers refuse longer headers.
const MAX_TOTAL_BYTES: usize = 6_500;

/// The cookie of the [`LoginLoopGuard`], after the prefix of all our cookies.
const LOOP_GUARD: &str = "login_loop";

/// Log-in attempts in sealed cookies of the visitor's browser.
pub struct CookieLoginAttempts {
    cookies: Cookies,
    replay_guard: Arc<dyn ReplayGuard>,
    clock: Arc<dyn Clock>,
}

impl CookieLoginAttempts {
    /// Attempts in cookies as the settings say. The replay guard accepts an attempt for one
    /// response only, also where its cookie was copied or is sent twice.
    pub fn new(
        settings: CookieSettings,
        replay_guard: Arc<dyn ReplayGuard>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { cookies: Cookies::new(settings), replay_guard, clock }
    }
}

impl LoginAttemptStores for CookieLoginAttempts {
    fn of<'r>(&'r self, request: &'r Request<'_>) -> Box<dyn LoginAttempts + 'r> {
        let jar = self.cookies.of(request);
        Box::new(VisitorAttempts { site: self, jar, cached: Mutex::default() })
    }
}

/// The attempts of one visitor, for one request. Rocket's jar does not show what was added in the
/// same request, so it is cached here.
struct VisitorAttempts<'r> {
    site: &'r CookieLoginAttempts,
    jar: Jar<'r>,
    cached: Mutex<CachedAttempts>,
}

#[derive(Default)]
struct CachedAttempts {
    /// The oldest first, each with the size of its cookie. `None` until they were read.
    attempts: Option<Vec<(LoginAttempt, usize)>>,
    loop_guard: Option<LoginLoopGuard>,
}

impl VisitorAttempts<'_> {
    fn cached(&self) -> MutexGuard<'_, CachedAttempts> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_attempts<T>(&self, change: impl FnOnce(&mut Vec<(LoginAttempt, usize)>) -> T) -> T {
        let mut cached = self.cached();
        let attempts = cached.attempts.get_or_insert_with(|| {
            let mut attempts = Vec::new();
            for (name, size) in self.jar.sent("login_") {
                if name == self.jar.name(LOOP_GUARD) {
                    continue;
                }
                match self.jar.get(&name).and_then(|opened| from_text(&opened.value)) {
                    Some(attempt) => attempts.push((attempt, size)),
                    None => self.jar.remove(name),
                }
            }
            attempts.sort_by_key(|(attempt, _): &(LoginAttempt, _)| attempt.started_at);
            attempts
        });
        change(attempts)
    }

    /// A state may contain characters that the name of a cookie may not, so the name has 64 bits of
    /// its hash.
    fn name(&self, state: &State) -> String {
        let mut name = String::from("login_");
        for byte in &Sha256::digest(state.expose())[..8] {
            // Writing to a string cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        self.jar.name(&name)
    }
}

#[async_trait]
impl LoginAttempts for VisitorAttempts<'_> {
    async fn remember(&self, attempt: &LoginAttempt) -> Result<(), SessionsUnavailable> {
        let text = to_text(attempt).map_err(unavailable)?;
        let name = self.name(&attempt.state);
        // Sealed: a nonce and a tag more, in base64, with some characters percent-encoded.
        let size = name.len() + 3 + (text.len() + 28).div_ceil(3) * 4 * 17 / 16;
        self.with_attempts(|attempts| {
            attempts.retain(|(other, _)| other.state != attempt.state);
            let total =
                |attempts: &[(_, usize)]| attempts.iter().map(|(_, size)| size).sum::<usize>();
            while attempts.len() >= LoginAttempt::MAX_OPEN
                || (!attempts.is_empty() && total(attempts) + size > MAX_TOTAL_BYTES)
            {
                let (oldest, _) = attempts.remove(0);
                self.jar.remove(self.name(&oldest.state));
            }
            attempts.push((attempt.clone(), size));
        });
        self.jar.add_for_callback(name, text, LoginAttempt::RETENTION);
        Ok(())
    }

    async fn take(&self, state: &State) -> Result<Option<LoginAttempt>, SessionsUnavailable> {
        let found = self.with_attempts(|attempts| {
            // States compare in constant time.
            attempts.iter().find(|(attempt, _)| attempt.state == *state).cloned()
        });
        let Some((attempt, _)) = found else {
            return Ok(None);
        };
        let mut used = String::from("attempt ");
        let hash =
            Sha256::new().chain_update(attempt.state.expose()).chain_update(attempt.nonce.expose());
        for byte in hash.finalize() {
            // Writing to a string cannot fail.
            let _ = write!(used, "{byte:02x}");
        }
        // Longer than the attempt lasts: another instance's clock may be behind.
        let until = self.site.clock.now().max(attempt.started_at) + LoginAttempt::RETENTION * 2;
        let is_first = self.site.replay_guard.is_first_use(&used, until).await?;
        // Only now: while the replay guard is down the callback can be repeated.
        self.jar.remove(self.name(state));
        self.with_attempts(|attempts| attempts.retain(|(other, _)| other.state != *state));
        Ok(is_first.then_some(attempt))
    }

    async fn loop_guard(&self) -> LoginLoopGuard {
        let mut cached = self.cached();
        let guard = cached.loop_guard.get_or_insert_with(|| {
            let opened = self.jar.get(&self.jar.name(LOOP_GUARD));
            opened.and_then(|opened| from_text(&opened.value)).unwrap_or_default()
        });
        guard.clone()
    }

    async fn set_loop_guard(&self, guard: &LoginLoopGuard) {
        self.cached().loop_guard = Some(guard.clone());
        let name = self.jar.name(LOOP_GUARD);
        match to_text(guard) {
            Ok(text) if !guard.is_empty() => self.jar.add(name, text, LoginLoopGuard::WINDOW),
            _ => self.jar.remove(name),
        }
    }
}
