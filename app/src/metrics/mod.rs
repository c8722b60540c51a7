//! What the site counts, in Prometheus's text format.
//!
//! Labels are bounded: templates of routes, classes of statuses and names of error variants; never a
//! path, a text of an error, or anything about a user.

mod calls;
mod listener;
mod outcomes;
mod requests;

use std::sync::{Arc, OnceLock, atomic::AtomicU64};

use chrono::{DateTime, TimeDelta, Utc};
use portico_adapters::database::PoolUse;
use portico_domain::ports::Clock;
use prometheus_client::{
    encoding::{EncodeLabelSet, prometheus_text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Metric, Registry},
};

pub(crate) use self::{
    calls::{MeasuredApi, MeasuredProvider},
    listener::MetricsListener,
    outcomes::{SessionStartNoted, login_failure},
    requests::RequestMetrics,
};

/// Upper bounds of durations, in seconds: a page takes milliseconds, a call at most 10 s.
const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

type NoLabels = [(&'static str, &'static str); 0];

type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    /// The template of the route; `none` where no route answered.
    route: String,
    /// `2xx`, `3xx`, `4xx` or `5xx`.
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cause {
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolState {
    state: &'static str,
}

/// The metrics of one site. Clones count together.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    names: Vec<&'static str>,
    requests: Durations<RequestLabels>,
    provider_calls: Durations<CallLabels>,
    api_calls: Durations<CallLabels>,
    logins_begun: Counter,
    logins_completed: Counter,
    logins_failed: Family<Cause, Counter>,
    logins_limited: Counter,
    refreshes: Family<Outcome, Counter>,
    logout_tokens: Family<Outcome, Counter>,
    connections: Gauge,
    pool: Family<PoolState, Gauge>,
    /// Without a value where there is no such list, or before it was read.
    list_age: Family<NoLabels, Gauge<f64, AtomicU64>>,
    /// Without a value before the provider's first response.
    clock_difference: Family<NoLabels, Gauge>,
    sources: OnceLock<Sources>,
}

impl Inner {
    fn add(&mut self, name: &'static str, help: &'static str, metric: impl Metric) {
        self.registry.register(name, help, metric);
        self.names.push(name);
    }
}

/// Returns the age of the list of ended sessions; `None` before it was first read.
pub(crate) type ListAge = Arc<dyn Fn() -> Option<TimeDelta> + Send + Sync>;

/// What is read when the metrics are.
pub(crate) struct Sources {
    pub(crate) pool: Box<dyn Fn() -> PoolUse + Send + Sync>,
    /// `None` where the session store has no such list.
    pub(crate) list_age: Option<ListAge>,
}

impl Default for Metrics {
    fn default() -> Self {
        let durations = || Histogram::new(BOUNDS);
        let mut inner = Inner {
            requests: Family::new_with_constructor(durations),
            provider_calls: Family::new_with_constructor(durations),
            api_calls: Family::new_with_constructor(durations),
            logins_begun: Counter::default(),
            logins_completed: Counter::default(),
            logins_failed: Family::default(),
            logins_limited: Counter::default(),
            refreshes: Family::default(),
            logout_tokens: Family::default(),
            connections: Gauge::default(),
            pool: Family::default(),
            list_age: Family::default(),
            clock_difference: Family::default(),
            sources: OnceLock::new(),
            registry: Registry::with_prefix("portico"),
            names: Vec::new(),
        };
        inner.add(
            "http_request_duration_seconds",
            "Requests, from the whole header and body to the response's header",
            inner.requests.clone(),
        );
        inner.add(
            "provider_call_duration_seconds",
            "Operations at the identity provider",
            inner.provider_calls.clone(),
        );
        inner.add(
            "api_call_duration_seconds",
            "Calls to the messages API",
            inner.api_calls.clone(),
        );
        inner.add(
            "logins_begun",
            "Log-ins and sign-ups sent to the provider",
            inner.logins_begun.clone(),
        );
        inner.add(
            "logins_completed",
            "Log-ins that started a session",
            inner.logins_completed.clone(),
        );
        inner.add(
            "logins_failed",
            "Log-ins that ended with an error page at /callback",
            inner.logins_failed.clone(),
        );
        inner.add(
            "logins_limited",
            "Log-ins refused because one address began too many",
            inner.logins_limited.clone(),
        );
        inner.add("token_refreshes", "Refreshes of access tokens", inner.refreshes.clone());
        inner.add("logout_tokens", "Back-channel log-outs", inner.logout_tokens.clone());
        inner.add("open_connections", "Connections that are open", inner.connections.clone());
        inner.add(
            "database_connections",
            "Connections to the database, and what waits for one",
            inner.pool.clone(),
        );
        let help = "Age of the copy of the list of ended sessions, with SESSION_STORE=cookie";
        let name = "ended_sessions_list_age_seconds";
        inner.add(name, help, inner.list_age.clone());
        let help = "The provider's clock minus this one, by its latest Date header";
        let name = "provider_clock_difference_seconds";
        inner.add(name, help, inner.clock_difference.clone());
        for outcome in outcomes::REFRESHES {
            drop(inner.refreshes.get_or_create(&Outcome { outcome }));
        }
        for outcome in outcomes::LOGOUT_TOKENS {
            drop(inner.logout_tokens.get_or_create(&Outcome { outcome }));
        }
        for cause in outcomes::LOGIN_FAILURES {
            drop(inner.logins_failed.get_or_create(&Cause { cause }));
        }
        Self(Arc::new(inner))
    }
}

impl Metrics {
    /// The metrics in Prometheus's text format, version 0.0.4.
    ///
    /// # Errors
    /// [`std::fmt::Error`] when a metric cannot be written.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        if let Some(sources) = self.0.sources.get() {
            let pool = (sources.pool)();
            for (state, count) in [
                ("open", pool.open),
                ("idle", pool.idle),
                ("waiting", pool.waiting),
                ("maximum", pool.maximum),
            ] {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                self.0.pool.get_or_create(&PoolState { state }).set(count);
            }
            if let Some(age) = sources.list_age.as_ref().and_then(|age| age()) {
                let seconds = age.to_std().unwrap_or_default().as_secs_f64();
                self.0.list_age.get_or_create(&[]).set(seconds);
            }
        }
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.0.registry)?;
        Ok(text)
    }

    /// The names of all metrics, without the suffixes of counters and histograms.
    pub fn names(&self) -> Vec<String> {
        self.0.names.iter().map(|name| format!("portico_{name}")).collect()
    }

    /// Sets what is read when the metrics are. Only the first call has an effect.
    pub(crate) fn read_from(&self, sources: Sources) {
        let _ = self.0.sources.set(sources);
    }

    pub(crate) fn login_begun(&self) {
        self.0.logins_begun.inc();
    }

    pub(crate) fn login_completed(&self) {
        self.0.logins_completed.inc();
    }

    /// `cause` is the name of an error variant.
    pub(crate) fn login_failed(&self, cause: &'static str) {
        self.0.logins_failed.get_or_create(&Cause { cause }).inc();
    }

    pub(crate) fn login_limited(&self) {
        self.0.logins_limited.inc();
    }

    /// `outcome` is `accepted` or the name of an error variant.
    pub(crate) fn logout_token(&self, outcome: &'static str) {
        self.0.logout_tokens.get_or_create(&Outcome { outcome }).inc();
    }

    /// What notes the difference between the provider's `Date` and this clock.
    pub(crate) fn clock_observer(
        &self,
        clock: Arc<dyn Clock>,
    ) -> impl Fn(DateTime<Utc>) + Send + Sync + use<> {
        let metrics = self.clone();
        move |date| {
            let seconds = (date - clock.now()).num_seconds();
            metrics.0.clock_difference.get_or_create(&[]).set(seconds);
        }
    }

    /// Counts a connection as open until the result is dropped.
    pub(crate) fn connection(&self) -> OpenConnection {
        self.0.connections.inc();
        OpenConnection(self.clone())
    }
}

/// An open connection.
pub(crate) struct OpenConnection(Metrics);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.0.connections.dec();
    }
}
