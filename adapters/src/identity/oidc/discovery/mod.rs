//! Fetches and caches the provider's metadata and keys (OpenID Connect Discovery, section 4).

mod keys;
mod metadata;

use std::{
    collections::HashSet,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::JsonWebKeySet;
use portico_domain::ports::Clock;
use serde_json::Value;
use tokio::sync::{Mutex, Semaphore};

pub use self::metadata::SigningAlgorithm;
pub(super) use self::{
    keys::VerificationKey,
    metadata::{ALLOWED_ALGORITHMS, Metadata},
};
use super::{
    error::{ProviderError, get_json_object},
    settings::OidcSettings,
};
use crate::http::HttpClient;

/// Age at which metadata and keys are fetched again, in the background.
const CACHE_LIFETIME: TimeDelta = TimeDelta::hours(1);
/// How long a failure is returned to all callers before the provider is requested again.
const FAILURE_LIFETIME: TimeDelta = TimeDelta::seconds(1);
/// Minimum time between two fetches of the keys because none of them verified an anonymous token:
/// forged tokens must not cause a request each.
const MIN_KEY_FETCH_INTERVAL: TimeDelta = TimeDelta::seconds(1);
/// Maximum number of anonymous tokens that wait for the next fetch of the keys.
const MAX_WAITING: usize = 64;
/// Maximum number of different warnings about the provider's documents.
const MAX_WARNINGS: usize = 64;

/// Where a token came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenSource {
    /// The provider's answer to a request of this site. Each costs a request anyway.
    Provider,
    /// A request that anybody can send.
    Anonymous,
}

/// The provider's metadata and keys, as fetched.
#[derive(Debug)]
pub(super) struct ProviderDocuments {
    pub(super) metadata: Arc<Metadata>,
    pub(super) keys: Vec<VerificationKey>,
    fetched_at: DateTime<Utc>,
}

/// Fetches and caches the provider's metadata and keys.
pub(super) struct Discovery {
    settings: Arc<OidcSettings>,
    http: HttpClient,
    clock: Arc<dyn Clock>,
    cache: RwLock<Option<Arc<ProviderDocuments>>>,
    /// Locked while fetching, so that simultaneous callers wait for one answer.
    fetch_state: Mutex<FetchState>,
    waiting: Semaphore,
    /// Whether [`Discovery::fetch_first_in_background`] was called.
    first_fetch_started: AtomicBool,
    /// What was logged, so that it is logged once.
    warned: std::sync::Mutex<HashSet<String>>,
}

#[derive(Default)]
struct FetchState {
    last_failure: Option<(DateTime<Utc>, ProviderError)>,
    /// For an anonymous token.
    keys_fetched_at: Option<DateTime<Utc>>,
}

impl Discovery {
    pub(super) fn new(
        settings: Arc<OidcSettings>,
        http: HttpClient,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (cache, fetch_state) = (RwLock::default(), Mutex::default());
        let (waiting, warned) = (Semaphore::new(MAX_WAITING), std::sync::Mutex::default());
        let first_fetch_started = AtomicBool::new(false);
        Self { settings, http, clock, cache, fetch_state, waiting, first_fetch_started, warned }
    }

    /// The cached documents, of any age; `None` before the first success.
    pub(super) fn cached(&self) -> Option<Arc<ProviderDocuments>> {
        self.cache.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Discards what is cached.
    pub(super) fn discard(&self) {
        *self.cache.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The cached documents, of any age, or fetched where there are none.
    pub(super) async fn documents(
        self: &Arc<Self>,
    ) -> Result<Arc<ProviderDocuments>, ProviderError> {
        if let Some(documents) = self.cached() {
            if !self.is_within(CACHE_LIFETIME, documents.fetched_at) {
                self.refresh_in_background();
            }
            return Ok(documents);
        }
        let mut state = self.fetch_state.lock().await;
        match self.cached() {
            Some(documents) => Ok(documents),
            None => self.fetch_unless_just_failed(&mut state).await,
        }
    }

    /// Fetches metadata and keys anew.
    pub(super) async fn refresh(&self) -> Result<Arc<ProviderDocuments>, ProviderError> {
        let mut state = self.fetch_state.lock().await;
        self.fetch(&mut state).await
    }

    /// Documents with newer keys than these. For an anonymous token it waits where keys were fetched
    /// for another one within [`MIN_KEY_FETCH_INTERVAL`]; `None` where too many wait.
    ///
    /// # Errors
    /// A [`ProviderError`] when the keys cannot be fetched.
    pub(super) async fn refresh_keys(
        &self,
        documents: &Arc<ProviderDocuments>,
        source: TokenSource,
    ) -> Result<Option<Arc<ProviderDocuments>>, ProviderError> {
        let waiting = match source {
            TokenSource::Provider => None,
            TokenSource::Anonymous => match self.waiting.try_acquire() {
                Ok(permit) => Some(permit),
                Err(_) => return Ok(None),
            },
        };
        if waiting.is_some() {
            self.wait_for_permitted_fetch().await;
        }
        let mut state = self.fetch_state.lock().await;
        match self.cached() {
            // Another request fetched them while this one waited for the lock.
            Some(newer) if !Arc::ptr_eq(&newer, documents) => return Ok(Some(newer)),
            _ => {}
        }
        if waiting.is_some() {
            state.keys_fetched_at = Some(self.clock.now());
        }
        let keys = self.fetch_keys(&documents.metadata).await?;
        let (metadata, fetched_at) = (Arc::clone(&documents.metadata), documents.fetched_at);
        Ok(Some(self.store(ProviderDocuments { metadata, keys, fetched_at })))
    }

    /// Waits out the interval. Without the lock: log-ins do not wait.
    async fn wait_for_permitted_fetch(&self) {
        let fetched_at = self.fetch_state.lock().await.keys_fetched_at;
        let Some(fetched_at) = fetched_at else { return };
        if self.is_within(MIN_KEY_FETCH_INTERVAL, fetched_at) {
            let left = MIN_KEY_FETCH_INTERVAL - (self.clock.now() - fetched_at);
            tokio::time::sleep(left.to_std().unwrap_or_default()).await;
        }
    }

    /// Fetches the documents without waiting for them; once, so that the pages that are shown while the
    /// provider is down cost no request each.
    pub(super) fn fetch_first_in_background(self: &Arc<Self>) {
        if !self.first_fetch_started.swap(true, Ordering::Relaxed) {
            self.refresh_in_background();
        }
    }

    fn refresh_in_background(self: &Arc<Self>) {
        let this = Arc::clone(self);
        tokio::spawn(async move {
            // Locked: another request is fetching already.
            let Ok(mut state) = this.fetch_state.try_lock() else { return };
            let is_fresh = |it: &ProviderDocuments| this.is_within(CACHE_LIFETIME, it.fetched_at);
            if this.cached().is_some_and(|documents| is_fresh(&documents)) {
                return;
            }
            if let Err(error) = this.fetch_unless_just_failed(&mut state).await {
                log::warn!("failed to refresh the identity provider's metadata: {error}");
            }
        });
    }

    async fn fetch_unless_just_failed(
        &self,
        state: &mut FetchState,
    ) -> Result<Arc<ProviderDocuments>, ProviderError> {
        match &state.last_failure {
            Some((at, error)) if self.is_within(FAILURE_LIFETIME, *at) => Err(error.clone()),
            _ => self.fetch(state).await,
        }
    }

    async fn fetch(&self, state: &mut FetchState) -> Result<Arc<ProviderDocuments>, ProviderError> {
        match self.fetch_documents().await {
            Ok(documents) => {
                state.last_failure = None;
                Ok(self.store(documents))
            }
            Err(error) => {
                state.last_failure = Some((self.clock.now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn fetch_documents(&self) -> Result<ProviderDocuments, ProviderError> {
        let metadata = Metadata::fetch(&self.http, &self.settings).await?;
        for cause in &metadata.malformed {
            self.warn_once(format!("malformed metadata of the identity provider ignored: {cause}"));
        }
        let keys = self.fetch_keys(&metadata).await?;
        Ok(ProviderDocuments { metadata: Arc::new(metadata), keys, fetched_at: self.clock.now() })
    }

    /// Fetches the key set (RFC 7517, section 5) without the keys of unknown types and the weak ones.
    async fn fetch_keys(&self, metadata: &Metadata) -> Result<Vec<VerificationKey>, ProviderError> {
        let endpoint = "key set";
        let set = get_json_object(&self.http, endpoint, &metadata.jwks_uri).await?;
        let set: JsonWebKeySet<VerificationKey> = serde_json::from_value(Value::Object(set))
            .map_err(|error| ProviderError::invalid(endpoint, error))?;
        let (weak, keys): (Vec<_>, Vec<_>) =
            set.keys().iter().cloned().partition(VerificationKey::is_weak);
        if !weak.is_empty() {
            let count = weak.len();
            self.warn_once(format!(
                "{count} RSA key(s) of the identity provider ignored: shorter than 2048 bits \
                 (RFC 7518, section 3.3)"
            ));
        }
        Ok(keys)
    }

    fn warn_once(&self, text: String) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.len() < MAX_WARNINGS && !warned.contains(&text) {
            log::warn!("{text}");
            warned.insert(text);
        }
    }

    fn store(&self, documents: ProviderDocuments) -> Arc<ProviderDocuments> {
        let documents = Arc::new(documents);
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        *cache = Some(Arc::clone(&documents));
        documents
    }

    /// False also for a time in the future: a clock that was set back must not stop the refresh.
    fn is_within(&self, limit: TimeDelta, then: DateTime<Utc>) -> bool {
        let age = self.clock.now() - then;
        age >= TimeDelta::zero() && age < limit
    }
}
