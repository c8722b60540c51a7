use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use portico_domain::{
    model::{Revocation, Session, SessionSummary},
    ports::{Clock, Randomness, SessionRegistry, SessionStore, SessionsUnavailable},
};
use rocket::http::CookieJar;

use super::{
    SessionSettings, Sessions,
    attempts::{Attempts, Once},
    database,
    hash::{self, Hash},
    jar::Cookies,
    redis::RedisVault,
    seal::Seal,
    unavailable,
    visitor::Visitor,
};
use crate::database::Database;

/// How long a request waits for another that refreshes the session.
pub(super) const PATIENCE: Duration = Duration::from_secs(12);

/// How often it looks whether the other is done.
pub(super) const POLL: Duration = Duration::from_millis(100);

/// Where sealed sessions are kept, each under the hash of what the browser holds.
#[async_trait]
pub(super) trait Vault: Send + Sync {
    /// Adds a session under a hash that is new.
    async fn insert(&self, key: &Hash, kept: &Kept) -> Result<(), SessionsUnavailable>;

    async fn read(&self, key: &Hash) -> Result<Option<Vec<u8>>, SessionsUnavailable>;

    /// Puts another in the place of exactly this one. False where it is not there any more.
    async fn swap(&self, key: &Hash, old: &[u8], new: &Kept) -> Result<bool, SessionsUnavailable>;

    async fn delete(&self, key: &Hash) -> Result<(), SessionsUnavailable>;

    /// The sessions that may be meant, sealed, with their keys.
    async fn find(&self, whose: &Whose) -> Result<Vec<(Hash, Vec<u8>)>, SessionsUnavailable>;

    /// Takes the turn to refresh the session until then, unless another has it now.
    async fn take_turn(
        &self,
        key: &Hash,
        number: &[u8; 16],
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable>;

    async fn turn_is_taken(
        &self,
        key: &Hash,
        now: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable>;

    /// Gives back the turn of this number, if it still lasts.
    async fn end_turn(&self, key: &Hash, number: &[u8; 16]) -> Result<(), SessionsUnavailable>;

    async fn check(&self) -> Result<(), SessionsUnavailable>;
}

/// What a vault keeps of a session.
pub(super) struct Kept {
    pub(super) sealed: Vec<u8>,
    pub(super) person: Hash,
    pub(super) provider_session: Option<Hash>,
    /// When it ends if nobody comes.
    pub(super) ends_at: DateTime<Utc>,
    pub(super) now: DateTime<Utc>,
}

/// Whose sessions are looked for.
pub(super) enum Whose {
    Person(Hash),
    ProviderSession(Hash),
}

/// Sessions kept by the site. The browser holds 256 random bits in a private cookie, the vault
/// only their hash, beside the sealed session.
pub struct ServerSide {
    pub(super) settings: SessionSettings,
    pub(super) cookies: Cookies,
    pub(super) vault: Arc<dyn Vault>,
    pub(super) seal: Seal,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) randomness: Arc<dyn Randomness>,
    once: Arc<dyn Once>,
}

impl ServerSide {
    /// Sessions in the database, which is not waited for. A task, which ends with this value,
    /// deletes what has expired: the caller is within a tokio runtime.
    pub fn in_database(
        settings: SessionSettings,
        database: &Database,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Arc<Self> {
        let tables = database::tables(database, &clock);
        Arc::new(Self::over(settings, tables.clone(), tables, clock, randomness))
    }

    /// Sessions in Redis, Valkey or what else speaks their protocol, at `redis://…`, or `rediss://…`
    /// with TLS: `redis://user:password@host:port/number`, of which all but the host may be left
    /// out. The server is not waited for; connections are made, and made again, when they are
    /// needed. With TLS the server must prove its name by a certificate that the system or the PEM
    /// file `extra_roots` trusts. The caller is within a tokio runtime.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the address is none of these, or the file cannot be used. The
    /// text never shows the address, which may hold a password.
    pub fn in_redis(
        settings: SessionSettings,
        url: &str,
        extra_roots: Option<&Path>,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Result<Arc<Self>, SessionsUnavailable> {
        let redis = Arc::new(RedisVault::open(url, extra_roots, settings.lifetimes.absolute)?);
        Ok(Arc::new(Self::over(settings, redis.clone(), redis, clock, randomness)))
    }

    fn over(
        settings: SessionSettings,
        vault: Arc<dyn Vault>,
        once: Arc<dyn Once>,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Self {
        let seal = Seal::new(&settings.keys, randomness.clone());
        let cookies = Cookies::new(&settings);
        Self { settings, cookies, vault, seal, clock, randomness, once }
    }

    pub(super) fn seal(&self, key: &Hash, session: &Session) -> Result<Kept, SessionsUnavailable> {
        let sid = session.provider_session.as_deref();
        Ok(Kept {
            sealed: self.seal.close(key, session)?,
            person: hash::person(&session.issuer, &session.subject),
            provider_session: sid.map(|sid| hash::provider_session(&session.issuer, sid)),
            ends_at: self.settings.lifetimes.end_of(session),
            now: self.clock.now(),
        })
    }

    /// The sessions that may be meant and have not passed their lifetimes, with their keys.
    async fn find(&self, whose: Whose) -> Result<Vec<(Hash, Session)>, SessionsUnavailable> {
        let now = self.clock.now();
        let found = self.vault.find(&whose).await?.into_iter();
        let open = |(key, sealed): (Hash, Vec<u8>)| {
            let session = self.seal.open(&key, &sealed)?.session;
            self.settings.lifetimes.allow(&session, now).then_some((key, session))
        };
        Ok(found.filter_map(open).collect())
    }
}

impl Sessions for ServerSide {
    fn of<'r>(&'r self, jar: &'r CookieJar<'_>) -> Box<dyn SessionStore + 'r> {
        let jar = self.cookies.of(jar);
        let (once, clock, randomness) = (&*self.once, &*self.clock, &*self.randomness);
        let attempts = Attempts { jar, once, clock, randomness, known: Mutex::default() };
        Box::new(Visitor::new(self, jar, attempts))
    }
}

#[async_trait]
impl SessionRegistry for ServerSide {
    async fn list(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<Vec<SessionSummary>>, SessionsUnavailable> {
        let found = self.find(Whose::Person(hash::person(issuer, subject))).await?;
        let of_person = found.iter().filter(|(_, session)| session.is_of(issuer, subject));
        let mut sessions: Vec<_> = of_person.map(|(_, session)| session.summary()).collect();
        sessions.sort_by_key(|session| std::cmp::Reverse((session.seen_at, session.started_at)));
        Ok(Some(sessions))
    }

    async fn revoke(&self, revocation: &Revocation) -> Result<(), SessionsUnavailable> {
        let whose = match revocation {
            Revocation::Session { issuer, subject, .. }
            | Revocation::Person { issuer, subject, .. } => {
                Whose::Person(hash::person(issuer, subject))
            }
            Revocation::ProviderSession { issuer, sid, .. } => {
                Whose::ProviderSession(hash::provider_session(issuer, sid))
            }
        };
        for (key, session) in self.find(whose).await? {
            if revocation.covers(&session) {
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
        let value = hash::hash("value", &[value.as_bytes()]);
        self.once.first(value, until, self.clock.now()).await
    }

    async fn check(&self) -> Result<(), SessionsUnavailable> {
        self.vault.check().await
    }
}

/// What the browser holds.
pub(super) struct Ticket(String);

impl Ticket {
    pub(super) fn fresh(randomness: &dyn Randomness) -> Result<Self, SessionsUnavailable> {
        Ok(Self(URL_SAFE_NO_PAD.encode(randomness.bytes().map_err(unavailable)?)))
    }

    pub(super) fn held(text: String) -> Self {
        Self(text)
    }

    pub(super) fn text(&self) -> String {
        self.0.clone()
    }

    /// Under which the vault keeps the session.
    pub(super) fn key(&self) -> Hash {
        hash::hash("ticket", &[self.0.as_bytes()])
    }
}
