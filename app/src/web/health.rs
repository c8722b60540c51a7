use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rocket::{
    Route, State,
    futures::{
        FutureExt,
        future::{BoxFuture, Shared},
    },
    get,
    http::{Header, Status},
    response::Responder,
    routes,
    serde::json::Json,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::Ports;

pub(crate) fn routes() -> Vec<Route> {
    routes![live, ready]
}

#[derive(Responder)]
struct Health {
    body: (Status, Json<Value>),
    cache: Header<'static>,
}

impl Health {
    fn new(status: Status, body: Value) -> Self {
        Self { body: (status, Json(body)), cache: Header::new("Cache-Control", "no-store") }
    }
}

/// The process answers: restart it when it does not.
#[get("/health/live")]
fn live() -> Health {
    Health::new(Status::Ok, json!({ "status": "live" }))
}

/// Whether the process can serve visitors, for load balancers. The provider and the API are not
/// checked: the site serves pages without them, and all instances would become unready together.
#[get("/health/ready")]
async fn ready(readiness: &State<Readiness>) -> Health {
    let failing = readiness.failing().await;
    if failing.is_empty() {
        Health::new(Status::Ok, json!({ "status": "ready" }))
    } else {
        let body = json!({ "status": "unavailable", "failing": failing });
        Health::new(Status::ServiceUnavailable, body)
    }
}

/// Timeout of all checks together. Probes usually wait one second.
const CHECK_TIMEOUT: Duration = Duration::from_millis(900);

type Checking = Shared<BoxFuture<'static, Result<(), String>>>;

/// The stores that the site cannot do without.
pub(crate) struct Readiness {
    database: CheckedStore,
    sessions: CheckedStore,
}

struct CheckedStore {
    check: Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>,
    /// The latest check.
    latest: Mutex<Option<Checking>>,
}

impl Readiness {
    pub(crate) fn new(ports: &Ports) -> Self {
        let (users, registry) = (ports.users.clone(), ports.registry.clone());
        Self {
            database: CheckedStore::new(move || {
                let users = users.clone();
                async move { users.check().await.map_err(|cause| cause.to_string()) }
            }),
            sessions: CheckedStore::new(move || {
                let registry = registry.clone();
                async move { registry.check().await.map_err(|cause| cause.to_string()) }
            }),
        }
    }

    async fn failing(&self) -> Vec<&'static str> {
        let (database, sessions) = tokio::join!(self.database.check(), self.sessions.check());
        let mut failing = Vec::new();
        for (name, result) in [("database", database), ("sessions", sessions)] {
            if let Err(cause) = result {
                log::error!("not ready: {name}: {cause}");
                failing.push(name);
            }
        }
        failing
    }
}

impl CheckedStore {
    fn new<F>(check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self { check: Box::new(move || check().boxed()), latest: Mutex::default() }
    }

    async fn check(&self) -> Result<(), String> {
        let no_answer = |_| Err("no answer in time".to_owned());
        timeout(CHECK_TIMEOUT, self.join()).await.unwrap_or_else(no_answer)
    }

    /// Joins the check that is running, or starts one: requests without a log-in cause one check at
    /// a time, also while the store hangs.
    fn join(&self) -> Checking {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = latest.as_ref().filter(|check| check.peek().is_none()) {
            return running.clone();
        }
        let check = (self.check)().shared();
        // It also ends when no request waits for it any longer.
        tokio::spawn(check.clone());
        *latest = Some(check.clone());
        check
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn hanging_store_is_checked_once_and_again_when_it_answers() {
        let (count, answers) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let (counted, awaited) = (count.clone(), answers.clone());
        let store = Arc::new(CheckedStore::new(move || {
            let awaited = awaited.clone();
            counted.fetch_add(1, Ordering::SeqCst);
            async move { awaited.acquire().await.map(drop).map_err(|error| error.to_string()) }
        }));
        let mut requests = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let store = store.clone();
            requests.spawn(async move { store.check().await });
        }
        assert!(requests.join_all().await.iter().all(Result::is_err));
        assert_eq!(count.load(Ordering::SeqCst), 1);

        answers.add_permits(1);
        assert_eq!(store.check().await, Ok(()));
        assert_eq!(store.check().await, Ok(()));
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }
}
