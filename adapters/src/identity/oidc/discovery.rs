//! The provider's metadata and keys, fetched when first needed and kept.

use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::JsonWebKeySet;
use portico_domain::ports::Clock;
use serde_json::Value;
use tokio::sync::Mutex;

use super::{
    fault::{Fault, get_object},
    keys::Key,
    metadata::Metadata,
};
use crate::http::HttpClient;

/// After this time metadata and keys are fetched again, while the old ones stay in use.
const FRESH: TimeDelta = TimeDelta::hours(1);
/// For this time a failure is the answer to everyone, so that a storm of visitors does not
/// become a storm of requests.
const FAILED: TimeDelta = TimeDelta::seconds(1);
/// At most so often are keys fetched because a token did not fit them: forged tokens must not
/// make this site hammer the provider.
const REKEYED: TimeDelta = TimeDelta::seconds(10);

/// What is known of the provider.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) metadata: Arc<Metadata>,
    pub(super) keys: Vec<Key>,
    fetched_at: DateTime<Utc>,
}

/// Finds the provider out, and remembers.
pub(super) struct Discovery {
    issuer: String,
    http: HttpClient,
    clock: Arc<dyn Clock>,
    known: RwLock<Option<Arc<Known>>>,
    /// Held while fetching, so that everyone waits for the same answer.
    fetching: Mutex<Fetching>,
}

#[derive(Default)]
struct Fetching {
    failed: Option<(DateTime<Utc>, Fault)>,
    rekeyed_at: Option<DateTime<Utc>>,
}

impl Discovery {
    pub(super) fn new(issuer: String, http: HttpClient, clock: Arc<dyn Clock>) -> Self {
        let (known, fetching) = (RwLock::default(), Mutex::default());
        Self { issuer, http, clock, known, fetching }
    }

    /// What is known already, however old; `None` before the first success.
    pub(super) fn known(&self) -> Option<Arc<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is known, fetched first where nothing is.
    pub(super) async fn provider(self: &Arc<Self>) -> Result<Arc<Known>, Fault> {
        if let Some(known) = self.known() {
            if !self.is_within(FRESH, known.fetched_at) {
                self.refresh_in_background();
            }
            return Ok(known);
        }
        let mut fetching = self.fetching.lock().await;
        match self.known() {
            Some(known) => Ok(known),
            None => self.fetch_unless_just_failed(&mut fetching).await,
        }
    }

    /// Fetches metadata and keys anew.
    pub(super) async fn refresh(&self) -> Result<Arc<Known>, Fault> {
        let mut fetching = self.fetching.lock().await;
        self.fetch(&mut fetching).await
    }

    /// Keys that are newer than those of `known`; `None` when it is too early to ask again.
    pub(super) async fn newer_keys(&self, known: &Arc<Known>) -> Result<Option<Arc<Known>>, Fault> {
        let mut fetching = self.fetching.lock().await;
        match self.known() {
            // Someone else was here first.
            Some(newer) if !Arc::ptr_eq(&newer, known) => return Ok(Some(newer)),
            _ => {}
        }
        if fetching.rekeyed_at.is_some_and(|at| self.is_within(REKEYED, at)) {
            return Ok(None);
        }
        fetching.rekeyed_at = Some(self.clock.now());
        let keys = self.fetch_keys(&known.metadata).await?;
        let (metadata, fetched_at) = (Arc::clone(&known.metadata), known.fetched_at);
        Ok(Some(self.keep(Known { metadata, keys, fetched_at })))
    }

    fn refresh_in_background(self: &Arc<Self>) {
        let this = Arc::clone(self);
        tokio::spawn(async move {
            // Held by another: it is being fetched already.
            let Ok(mut fetching) = this.fetching.try_lock() else { return };
            if this.known().is_some_and(|known| this.is_within(FRESH, known.fetched_at)) {
                return;
            }
            if let Err(fault) = this.fetch_unless_just_failed(&mut fetching).await {
                log::warn!("the identity provider's metadata could not be refreshed: {fault:?}");
            }
        });
    }

    async fn fetch_unless_just_failed(&self, state: &mut Fetching) -> Result<Arc<Known>, Fault> {
        match &state.failed {
            Some((at, fault)) if self.is_within(FAILED, *at) => Err(fault.clone()),
            _ => self.fetch(state).await,
        }
    }

    async fn fetch(&self, state: &mut Fetching) -> Result<Arc<Known>, Fault> {
        let fetched = async {
            let metadata = Metadata::fetch(&self.http, &self.issuer).await?;
            let keys = self.fetch_keys(&metadata).await?;
            Ok((Arc::new(metadata), keys))
        };
        match fetched.await {
            Ok((metadata, keys)) => {
                state.failed = None;
                Ok(self.keep(Known { metadata, keys, fetched_at: self.clock.now() }))
            }
            Err(fault) => {
                let fault: Fault = fault;
                state.failed = Some((self.clock.now(), fault.clone()));
                Err(fault)
            }
        }
    }

    /// Gets the keys (RFC 7517, section 5); one that is not understood is left out.
    async fn fetch_keys(&self, metadata: &Metadata) -> Result<Vec<Key>, Fault> {
        let who = "the key set";
        let set = get_object(&self.http, who, &metadata.jwks_uri).await?;
        let set: JsonWebKeySet<Key> = serde_json::from_value(Value::Object(set))
            .map_err(|error| Fault::Nonsense(format!("{who}: {error}")))?;
        Ok(set.keys().clone())
    }

    fn keep(&self, known: Known) -> Arc<Known> {
        let known = Arc::new(known);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&known));
        known
    }

    /// False also for a time in the future: a clock that was set back must not stop time here.
    fn is_within(&self, limit: TimeDelta, then: DateTime<Utc>) -> bool {
        let age = self.clock.now() - then;
        age >= TimeDelta::zero() && age < limit
    }
}
