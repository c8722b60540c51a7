use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use portico_domain::{
    model::{Change, LoginAttempt, Revocation, Session, SessionSummary, State},
    ports::{Clock, Randomness, SessionRegistry, SessionStore, SessionsUnavailable, Turn},
};
use rocket::http::CookieJar;
use sha2::{Digest, Sha256};

use super::{
    Sessions,
    attempts::Attempts,
    jar::{CookieSettings, Cookies, Jar},
    keys::KeyMaterial,
    redis::RedisVault,
    repeat,
    seal::Seal,
    turns::{PATIENCE, TURN},
    unavailable,
    vault::{Hash, Index, Kept, Vault, hash_of},
};
use crate::database::Database;

/// The cookie's name, after the prefix of all our cookies.
const NAME: &str = "session";

/// Changes whenever the session's fields do: postcard does not describe what it wrote.
const VERSION: u8 = 1;

/// How often expired sessions are forgotten.
const SWEEP: Duration = Duration::from_secs(60);

/// How often one who waits for a turn looks whether it is over.
const POLL: Duration = Duration::from_millis(100);

/// Tries of a change that others' changes undo. Each try that fails means that another succeeded.
const TRIES: usize = 50;

/// Sessions on the server's side: the browser holds 256 random bits, and the store only their
/// hash, with the session sealed by the site's key.
pub struct ServerSide {
    cookies: Cookies,
    seal: Seal,
    vault: Arc<dyn Vault>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
}

impl ServerSide {
    /// Sessions in the database, sealed with the key. Needs a runtime of Tokio, and waits for no
    /// database.
    pub fn in_database(
        settings: CookieSettings,
        key: &KeyMaterial,
        database: &Database,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Self {
        Self::over(settings, key, database.vault(), clock, randomness)
    }

    /// Sessions in Redis, or what speaks its protocol, sealed with the key. `redis://…`, or
    /// `rediss://…` by TLS, with a user and a password if need be; a server by TLS must prove its
    /// name by a certificate of the system's roots, or of `extra_roots`. Needs a runtime of Tokio,
    /// and waits for no server.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] for an address that is none. The text never shows it.
    pub fn in_redis(
        settings: CookieSettings,
        key: &KeyMaterial,
        url: &str,
        extra_roots: Option<&Path>,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Result<Self, SessionsUnavailable> {
        let vault = RedisVault::open(url, extra_roots, settings.lifetimes.absolute)?;
        Ok(Self::over(settings, key, Arc::new(vault), clock, randomness))
    }

    fn over(
        settings: CookieSettings,
        key: &KeyMaterial,
        vault: Arc<dyn Vault>,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Self {
        let for_sweep = clock.clone();
        repeat(SWEEP, &vault, move |vault| {
            let clock = for_sweep.clone();
            async move {
                // What is not swept now is swept later.
                let _ = vault.sweep(clock.now()).await;
            }
        });
        let seal = Seal::new(key, &settings.previous_keys);
        Self { cookies: Cookies::new(settings), seal, vault, clock, randomness }
    }

    fn sealed(&self, key: Hash, session: &Session) -> Result<Kept, SessionsUnavailable> {
        let mut bytes = vec![VERSION];
        bytes.extend(postcard::to_stdvec(session).map_err(unavailable)?);
        let sealed = self.seal.seal(&bytes, &key, &*self.randomness)?;
        let ends = self.cookies.settings.lifetimes.expires_at(session);
        Ok(Kept::new(key, session, sealed, ends, self.clock.now()))
    }

    /// The session, and whether an earlier key sealed it. `None` for what we did not seal for this
    /// place, and for a session that has passed its lifetimes.
    fn open(&self, key: &Hash, sealed: &[u8]) -> Option<(Session, bool)> {
        let unsealed = self.seal.open(sealed, key)?;
        let bytes = unsealed.bytes.strip_prefix(&[VERSION])?;
        let (session, []) = postcard::take_from_bytes(bytes).ok()? else {
            return None;
        };
        let is_allowed = self.cookies.settings.lifetimes.allow(&session, self.clock.now());
        is_allowed.then_some((session, unsealed.by_earlier_key))
    }
}

impl Sessions for ServerSide {
    fn of<'r>(&'r self, jar: &'r CookieJar<'_>) -> Box<dyn SessionStore + 'r> {
        let jar = self.cookies.of(jar);
        Box::new(Visitor {
            site: self,
            jar,
            known: Mutex::default(),
            attempts: Attempts::default(),
        })
    }
}

#[async_trait]
impl SessionRegistry for ServerSide {
    async fn list(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<Vec<SessionSummary>>, SessionsUnavailable> {
        let found = self.vault.find(&Index::Person(hash_of(["person", issuer, subject]))).await?;
        let sessions = found.iter().filter_map(|(key, sealed)| self.open(key, sealed));
        let mut all: Vec<_> = sessions.map(|(session, _)| session.summary()).collect();
        all.sort_by_key(|session| std::cmp::Reverse((session.seen_at, session.started_at)));
        Ok(Some(all))
    }

    async fn revoke(&self, revocation: &Revocation) -> Result<(), SessionsUnavailable> {
        for (key, sealed) in self.vault.find(&Index::of(revocation)).await? {
            let session = self.open(&key, &sealed);
            if session.is_some_and(|(session, _)| revocation.covers(&session)) {
                self.vault.delete(&key).await?;
            }
        }
        Ok(())
    }

    async fn first_use(
        &self,
        value: &str,
        until: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable> {
        self.vault.first(&hash_of(["value", value, ""]), self.clock.now(), until).await
    }

    async fn check(&self) -> Result<(), SessionsUnavailable> {
        self.vault.check().await
    }
}

/// One visitor, for one request.
struct Visitor<'r> {
    site: &'r ServerSide,
    jar: Jar<'r>,
    known: Mutex<Known>,
    attempts: Attempts,
}

/// What this request has learnt. The jar does not show what was added to it in the same request.
#[derive(Clone, Default)]
enum Known {
    #[default]
    Nothing,
    /// Nobody is signed in.
    Stranger,
    There(Box<There>),
}

#[derive(Clone)]
struct There {
    key: Hash,
    /// What the browser holds; kept to make the cookie anew.
    id: String,
    session: Session,
    /// As it was read or written: what a change must find.
    sealed: Vec<u8>,
}

impl Visitor<'_> {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cookie(&self) -> String {
        self.jar.name(NAME)
    }

    fn forget(&self) {
        self.jar.remove(self.cookie());
        *self.known() = Known::Stranger;
    }

    /// Known, or as the store has it.
    async fn there(&self) -> Result<Option<There>, SessionsUnavailable> {
        let known = self.known().clone();
        match known {
            // Lifetimes may have passed since.
            Known::There(there) if self.allows(&there.session) => Ok(Some(*there)),
            Known::There(_) | Known::Stranger => Ok(None),
            Known::Nothing => {
                let Some(opened) = self.jar.get(&self.cookie()) else {
                    // What no key opens is cleared, each time anew: a catcher that asks again
                    // clears again.
                    if self.jar.sent(NAME).contains(&self.cookie()) {
                        self.jar.remove(self.cookie());
                    }
                    return Ok(None);
                };
                let there = self.read(opened.value).await?;
                if let Some(there) = &there
                    && opened.by_earlier_key
                {
                    self.hand_out(there);
                }
                Ok(there)
            }
        }
    }

    /// From the store, whatever is known.
    async fn read(&self, id: String) -> Result<Option<There>, SessionsUnavailable> {
        let key = Sha256::digest(&id).into();
        let found = self.site.vault.get(&key).await?;
        let open = |sealed: Vec<u8>| Some((self.site.open(&key, &sealed)?, sealed));
        let Some(((session, by_earlier_key), sealed)) = found.and_then(open) else {
            self.forget();
            return Ok(None);
        };
        let mut there = There { key, id, session, sealed };
        if by_earlier_key {
            let kept = self.site.sealed(key, &there.session)?;
            if self.site.vault.swap(&there.sealed, &kept).await? {
                there.sealed = kept.sealed;
            }
        }
        *self.known() = Known::There(Box::new(there.clone()));
        Ok(Some(there))
    }

    fn allows(&self, session: &Session) -> bool {
        self.site.cookies.settings.lifetimes.allow(session, self.site.clock.now())
    }

    /// The cookie lasts as long as the session does.
    fn hand_out(&self, there: &There) {
        let ends = self.site.cookies.settings.lifetimes.expires_at(&there.session);
        self.jar.add(self.cookie(), there.id.clone(), ends - self.site.clock.now());
    }
}

#[async_trait]
impl SessionStore for Visitor<'_> {
    async fn current(&self) -> Result<Option<Session>, SessionsUnavailable> {
        Ok(self.there().await?.map(|there| there.session))
    }

    async fn start(&self, session: &Session) -> Result<(), SessionsUnavailable> {
        let earlier = self.there().await?;
        let id = URL_SAFE_NO_PAD.encode(self.site.randomness.bytes().map_err(unavailable)?);
        let key = Sha256::digest(&id).into();
        let kept = self.site.sealed(key, session)?;
        self.site.vault.put(&kept).await?;
        let there = There { key, id, session: session.clone(), sealed: kept.sealed };
        self.hand_out(&there);
        *self.known() = Known::There(Box::new(there));
        if let Some(earlier) = earlier {
            self.site.vault.delete(&earlier.key).await?;
        }
        Ok(())
    }

    async fn update(&self, change: &Change) -> Result<Option<Session>, SessionsUnavailable> {
        let Some(mut there) = self.there().await? else {
            return Ok(None);
        };
        for _ in 0..TRIES {
            there.session = there.session.with(change.clone());
            let kept = self.site.sealed(there.key, &there.session)?;
            if self.site.vault.swap(&there.sealed, &kept).await? {
                there.sealed = kept.sealed;
                self.hand_out(&there);
                *self.known() = Known::There(Box::new(there.clone()));
                return Ok(Some(there.session));
            }
            // Gone, or changed by another request: what it changed stays.
            match self.read(there.id).await? {
                Some(now) => there = now,
                None => return Ok(None),
            }
        }
        Err(SessionsUnavailable("other requests change the session all the time".into()))
    }

    async fn take_turn(&self) -> Result<Turn, SessionsUnavailable> {
        let Some(there) = self.there().await? else {
            return Ok(Turn::Over(None));
        };
        let now = || self.site.clock.now();
        let is_ours = self.site.vault.lease(&there.key, now(), now() + TURN).await?;
        if !is_ours {
            let wait = async {
                while self.site.vault.is_leased(&there.key, now()).await? {
                    tokio::time::sleep(POLL).await;
                }
                Ok::<_, SessionsUnavailable>(())
            };
            // Without patience the session is taken as it is.
            if let Ok(waited) = tokio::time::timeout(PATIENCE, wait).await {
                waited?;
            }
        }
        let session = self.read(there.id).await?.map(|there| there.session);
        Ok(match session {
            Some(session) if is_ours => Turn::Yours(session),
            session => Turn::Over(session),
        })
    }

    async fn end_turn(&self) -> Result<(), SessionsUnavailable> {
        match self.there().await? {
            Some(there) => self.site.vault.release(&there.key).await,
            None => Ok(()),
        }
    }

    async fn end(&self) -> Result<(), SessionsUnavailable> {
        let known = self.known().clone();
        let key = match known {
            Known::There(there) => Some(there.key),
            Known::Stranger => None,
            // Whatever it leads to is deleted, without looking.
            Known::Nothing => {
                let opened = self.jar.get(&self.cookie());
                opened.map(|opened| Sha256::digest(opened.value).into())
            }
        };
        if let Some(key) = key {
            self.site.vault.delete(&key).await?;
        }
        self.forget();
        Ok(())
    }

    async fn remember(&self, attempt: &LoginAttempt) -> Result<(), SessionsUnavailable> {
        self.attempts.remember(&self.jar, attempt)
    }

    async fn take_attempt(
        &self,
        state: &State,
    ) -> Result<Option<LoginAttempt>, SessionsUnavailable> {
        self.attempts.take(&self.jar, state, &*self.site.vault, &*self.site.clock).await
    }
}
