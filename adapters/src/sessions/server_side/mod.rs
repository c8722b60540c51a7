//! Sessions on the server's side, in the database or in Redis.

mod backend;
mod redis;
mod registry;
mod seal;

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use portico_domain::{
    model::{Session, SessionChange},
    ports::{
        Clock, Randomness, Renewal, ReplayGuard, SaveSessionError, SessionStore,
        SessionsUnavailable, TokenRenewal,
    },
};
use rocket::Request;
use sha2::{Digest, Sha256};

pub(super) use self::backend::{Index, SessionBackend, SessionRecord};
pub use self::redis::{InvalidRedisAddress, RedisAddress};
use self::{redis::RedisBackend, seal::Seal};
use super::{
    Hash, SessionStores,
    cookie::{LOCK_LIFETIME, LOCK_TIMEOUT},
    cookies::{CookieSettings, Cookies, Jar},
    diesel::tables,
    repeat,
    replay_guard::HashedReplayGuard,
    unavailable,
};
use crate::database::Database;

/// The cookie's name, after the prefix of all our cookies.
const COOKIE: &str = "session";

/// Changes with the fields of the session: postcard does not write a description of them.
const VERSION: u8 = 3;

/// How often expired sessions are deleted.
const SWEEP_PERIOD: Duration = Duration::from_secs(60);

/// How often a waiting request checks whether the lock was released.
const POLL_PERIOD: Duration = Duration::from_millis(100);

/// Number of attempts to make a change. Each failed one means that another request's change
/// succeeded.
const MAX_ATTEMPTS: usize = 50;

/// Sessions on the server's side: the browser holds 256 random bits, and the backend only their
/// hash, with the session sealed by the site's key.
pub struct ServerSideSessions {
    cookies: Cookies,
    seal: Seal,
    backend: Arc<dyn SessionBackend>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
}

impl ServerSideSessions {
    /// Sessions in the database. Needs a Tokio runtime, and does not wait for the database.
    pub fn in_database(
        settings: CookieSettings,
        database: &Database,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Self {
        Self::over(settings, tables(database), clock, randomness)
    }

    /// Sessions in Redis, or a server with the same protocol. With TLS the server must present a
    /// certificate that the system's roots or `extra_roots` vouch for. Needs a Tokio runtime, and
    /// does not wait for the server.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] for an address that cannot be used. The text never contains it.
    pub fn in_redis(
        settings: CookieSettings,
        address: &RedisAddress,
        extra_roots: Option<&Path>,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Result<Self, SessionsUnavailable> {
        let backend = RedisBackend::open(address, extra_roots, settings.lifetimes.absolute)?;
        Ok(Self::over(settings, Arc::new(backend), clock, randomness))
    }

    pub(in crate::sessions) fn over(
        settings: CookieSettings,
        backend: Arc<dyn SessionBackend>,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Self {
        let sweep_clock = clock.clone();
        repeat(SWEEP_PERIOD, &backend, move |backend| {
            let clock = sweep_clock.clone();
            async move {
                // What is not deleted now is deleted the next time.
                let _ = backend.delete_expired(clock.now()).await;
            }
        });
        let seal = Seal::new(&settings.key, &settings.previous_keys);
        Self { cookies: Cookies::new(settings), seal, backend, clock, randomness }
    }

    /// The replay guard in the same backend.
    pub fn replay_guard(&self) -> Arc<dyn ReplayGuard> {
        Arc::new(HashedReplayGuard::new(self.backend.clone(), self.clock.clone()))
    }

    /// Deletes what has expired, as happens every minute.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the backend is out of reach; some may have been deleted.
    #[cfg(feature = "testing")]
    pub async fn sweep(&self) -> Result<(), SessionsUnavailable> {
        self.backend.delete_expired(self.clock.now()).await
    }

    fn record(&self, key: Hash, session: &Session) -> Result<SessionRecord, SessionsUnavailable> {
        let mut bytes = vec![VERSION];
        bytes.extend(postcard::to_stdvec(session).map_err(unavailable)?);
        let sealed = self.seal.seal(&bytes, &key, &*self.randomness)?;
        let expires_at = self.cookies.settings.lifetimes.expires_at(session);
        Ok(SessionRecord::new(key, session, sealed, expires_at, self.clock.now()))
    }

    /// The session, and whether an earlier key sealed it. `None` for what was not sealed for this
    /// key, and for a session that has expired.
    fn open(&self, key: &Hash, sealed: &[u8]) -> Option<(Session, bool)> {
        let (session, by_previous_key) = self.unseal(key, sealed)?;
        let is_allowed = self.cookies.settings.lifetimes.allow(&session, self.clock.now());
        is_allowed.then_some((session, by_previous_key))
    }

    fn unseal(&self, key: &Hash, sealed: &[u8]) -> Option<(Session, bool)> {
        let unsealed = self.seal.open(sealed, key)?;
        let bytes = unsealed.bytes.strip_prefix(&[VERSION])?;
        let (session, []) = postcard::take_from_bytes(bytes).ok()? else {
            return None;
        };
        Some((session, unsealed.by_previous_key))
    }
}

impl SessionStores for ServerSideSessions {
    fn of<'r>(&'r self, request: &'r Request<'_>) -> Box<dyn SessionStore + 'r> {
        let jar = self.cookies.of(request);
        Box::new(VisitorSession { site: self, jar, cached: Mutex::default() })
    }
}

/// The session of one visitor, for one request.
struct VisitorSession<'r> {
    site: &'r ServerSideSessions,
    jar: Jar<'r>,
    cached: Mutex<CachedSession>,
}

/// What this request has read or written. Rocket's jar does not show what was added in the same
/// request.
#[derive(Clone, Default)]
enum CachedSession {
    #[default]
    Nothing,
    NoSession,
    Session(Box<Loaded>),
}

#[derive(Clone)]
struct Loaded {
    key: Hash,
    /// What the browser holds, for writing the cookie again.
    id: String,
    session: Session,
    /// The content of the record, which a change must still find.
    sealed: Vec<u8>,
}

impl VisitorSession<'_> {
    fn cached(&self) -> MutexGuard<'_, CachedSession> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cookie(&self) -> String {
        self.jar.name(COOKIE)
    }

    fn forget(&self) {
        self.jar.remove(self.cookie());
        *self.cached() = CachedSession::NoSession;
    }

    /// The cached session, or the one in the backend.
    async fn load(&self) -> Result<Option<Loaded>, SessionsUnavailable> {
        let cached = self.cached().clone();
        match cached {
            // It may have expired since.
            CachedSession::Session(loaded) if self.allows(&loaded.session) => Ok(Some(*loaded)),
            CachedSession::Session(_) | CachedSession::NoSession => Ok(None),
            CachedSession::Nothing => {
                let Some(opened) = self.jar.get(&self.cookie()) else {
                    // A cookie that no key opens is cleared, in a catcher as well.
                    if !self.jar.sent(COOKIE).is_empty() {
                        self.jar.remove(self.cookie());
                    }
                    return Ok(None);
                };
                let loaded = self.read(opened.value).await?;
                if let Some(loaded) = &loaded
                    && opened.by_previous_key
                {
                    self.write_cookie(loaded);
                }
                Ok(loaded)
            }
        }
    }

    /// Reads the session from the backend, whatever is cached.
    async fn read(&self, id: String) -> Result<Option<Loaded>, SessionsUnavailable> {
        let key = Sha256::digest(&id).into();
        let found = self.site.backend.get(&key).await?;
        let open = |sealed: Vec<u8>| Some((self.site.open(&key, &sealed)?, sealed));
        let Some(((session, by_previous_key), sealed)) = found.and_then(open) else {
            self.forget();
            return Ok(None);
        };
        let mut loaded = Loaded { key, id, session, sealed };
        if by_previous_key {
            let record = self.site.record(key, &loaded.session)?;
            if self.site.backend.replace(&loaded.sealed, &record).await? {
                loaded.sealed = record.sealed;
            }
        }
        *self.cached() = CachedSession::Session(Box::new(loaded.clone()));
        Ok(Some(loaded))
    }

    fn allows(&self, session: &Session) -> bool {
        self.site.cookies.settings.lifetimes.allow(session, self.site.clock.now())
    }

    /// The cookie lasts as long as the session.
    fn write_cookie(&self, loaded: &Loaded) {
        let expires_at = self.site.cookies.settings.lifetimes.expires_at(&loaded.session);
        self.jar.add(self.cookie(), loaded.id.clone(), expires_at - self.site.clock.now());
    }

    /// Waits until no request holds the lock, or the timeout passes.
    async fn wait_for_unlock(&self, key: &Hash) -> Result<(), SessionsUnavailable> {
        let unlocked = async {
            while self.site.backend.is_refresh_locked(key, self.site.clock.now()).await? {
                tokio::time::sleep(POLL_PERIOD).await;
            }
            Ok(())
        };
        tokio::time::timeout(LOCK_TIMEOUT, unlocked).await.unwrap_or(Ok(()))
    }

    /// The part of a refresh that happens under the lock.
    async fn renew(
        &self,
        loaded: Loaded,
        stale: &Session,
        renewal: &dyn TokenRenewal,
    ) -> Result<Option<Session>, SaveSessionError> {
        // The previous owner of the lock may have refreshed or ended the session.
        let Some(Loaded { id, session, .. }) = self.read(loaded.id).await? else {
            return Ok(None);
        };
        if session.tokens().access_token != stale.tokens().access_token {
            return Ok(Some(session));
        }
        match renewal.renew(&session).await {
            Renewal::Refreshed(tokens) => self.update(&SessionChange::Refreshed(tokens)).await,
            // It may have ended meanwhile.
            Renewal::Unchanged => Ok(self.read(id).await?.map(|loaded| loaded.session)),
            Renewal::End => Ok(self.end().await.map(|()| None)?),
        }
    }
}

#[async_trait]
impl SessionStore for VisitorSession<'_> {
    async fn current(&self) -> Result<Option<Session>, SessionsUnavailable> {
        Ok(self.load().await?.map(|loaded| loaded.session))
    }

    async fn start(&self, session: &Session) -> Result<(), SaveSessionError> {
        let earlier = self.load().await?;
        let id = URL_SAFE_NO_PAD.encode(self.site.randomness.bytes().map_err(unavailable)?);
        let key = Sha256::digest(&id).into();
        let record = self.site.record(key, session)?;
        self.site.backend.insert(&record).await?;
        let loaded = Loaded { key, id, session: session.clone(), sealed: record.sealed };
        self.write_cookie(&loaded);
        *self.cached() = CachedSession::Session(Box::new(loaded));
        if let Some(earlier) = earlier {
            self.site.backend.delete(&earlier.key).await?;
        }
        Ok(())
    }

    async fn update(&self, change: &SessionChange) -> Result<Option<Session>, SaveSessionError> {
        let Some(mut loaded) = self.load().await? else {
            return Ok(None);
        };
        for _ in 0..MAX_ATTEMPTS {
            loaded.session = loaded.session.with(change.clone());
            let record = self.site.record(loaded.key, &loaded.session)?;
            if self.site.backend.replace(&loaded.sealed, &record).await? {
                loaded.sealed = record.sealed;
                self.write_cookie(&loaded);
                *self.cached() = CachedSession::Session(Box::new(loaded.clone()));
                return Ok(Some(loaded.session));
            }
            // It has ended, or another request changed it: that change is kept.
            match self.read(loaded.id).await? {
                Some(current) => loaded = current,
                None => return Ok(None),
            }
        }
        Err(unavailable("other requests change the session all the time").into())
    }

    async fn refresh<'a>(
        &self,
        stale: &Session,
        renewal: &'a (dyn TokenRenewal + 'a),
    ) -> Result<Option<Session>, SaveSessionError> {
        let Some(loaded) = self.load().await? else {
            return Ok(None);
        };
        let (key, now) = (loaded.key, self.site.clock.now());
        if !self.site.backend.lock_refresh(&key, now, now + LOCK_LIFETIME).await? {
            self.wait_for_unlock(&key).await?;
            return Ok(self.read(loaded.id).await?.map(|loaded| loaded.session));
        }
        let result = self.renew(loaded, stale, renewal).await;
        // Failing to unlock must not hide the result: the lock expires.
        if let Err(cause) = self.site.backend.unlock_refresh(&key).await {
            log::warn!("failed to release a refresh lock: {cause}");
        }
        result
    }

    async fn end(&self) -> Result<(), SessionsUnavailable> {
        let cached = self.cached().clone();
        let key = match cached {
            CachedSession::Session(loaded) => Some(loaded.key),
            CachedSession::NoSession => None,
            // The record is deleted without being read.
            CachedSession::Nothing => {
                let opened = self.jar.get(&self.cookie());
                opened.map(|opened| Sha256::digest(opened.value).into())
            }
        };
        if let Some(key) = key {
            self.site.backend.delete(&key).await?;
        }
        self.forget();
        Ok(())
    }
}
