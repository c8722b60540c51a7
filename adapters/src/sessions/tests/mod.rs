//! The stores through real jars: each call of the contract is a request of its own, by a browser
//! that a test can tamper with.

mod cookies;
mod every_store;
mod sealed;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use portico_domain::{
    model::{Change, LoginAttempt, Session, State},
    ports::{SessionRegistry, SessionStore, SessionsUnavailable, Turn},
    session_store_contract,
    testing::{SetClock, contract::sessions::LIFETIMES},
};
use rocket::{
    Catcher, Data, Request, Response, Route, catcher,
    figment::Figment,
    futures::future::BoxFuture,
    http::{Cookie, Method, Status},
    local::asynchronous::Client,
    route::{self, Outcome},
    time::Duration,
};
use tempfile::TempDir;

use super::*;
use crate::{database::Database, system::SystemRandomness, tls};

const KEY: &str = "a2V5cyBvZiB0aGUgdGVzdHMgYXJlIG5vIHNlY3JldHM=";
const ANOTHER_KEY: &str = "YW5vdGhlciBrZXkgb2YgdGhlIHRlc3RzLCBzYW1lLi4=";

type Step = Box<dyn for<'a> FnOnce(&'a dyn SessionStore) -> BoxFuture<'a, ()> + Send>;

/// What both kinds of stores are.
trait Store: Sessions + SessionRegistry {}

impl<T: Sessions + SessionRegistry> Store for T {}

/// What several instances of a site share.
struct Shared {
    database: Database,
    clock: Arc<SetClock>,
    _folder: TempDir,
}

impl Shared {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("portico.db").display());
        let database = Database::open(&url, tls::client_config(None).unwrap()).unwrap();
        database.migrate().await.unwrap();
        Self { database, clock: Arc::default(), _folder: folder }
    }

    fn cookies(&self, secure: bool, previous: &[&str]) -> Arc<dyn Store> {
        let settings = settings(secure, previous);
        let clock = self.clock.clone();
        Arc::new(PrivateCookies::new(settings, &self.database, clock, Arc::new(SystemRandomness)))
    }

    fn in_database(&self, key: &str, previous: &[&str]) -> Arc<dyn Store> {
        let (settings, key) = (settings(false, previous), key.parse().unwrap());
        let (clock, chance) = (self.clock.clone(), Arc::new(SystemRandomness));
        Arc::new(ServerSide::in_database(settings, &key, &self.database, clock, chance))
    }
}

fn settings(secure: bool, previous: &[&str]) -> CookieSettings {
    let previous_keys = previous.iter().map(|key| key.parse().unwrap());
    let previous_keys = previous_keys.collect();
    CookieSettings { secure, form_post: false, lifetimes: LIFETIMES, previous_keys }
}

/// A site whose pages do what the test says, and whose other page fails.
#[derive(Clone)]
struct Site {
    sessions: Arc<dyn Store>,
    steps: Arc<Mutex<HashMap<String, Step>>>,
}

#[rocket::async_trait]
impl route::Handler for Site {
    async fn handle<'r>(&self, request: &'r Request<'_>, _: Data<'r>) -> Outcome<'r> {
        let store = self.sessions.of(request.cookies());
        if request.uri().path() == "/fail" {
            assert_eq!(store.current().await, Ok(None));
            return Outcome::Error(Status::Unauthorized);
        }
        let step = self.steps.lock().unwrap().remove(request.uri().path().as_str()).unwrap();
        step(&*store).await;
        Outcome::Success(Response::new())
    }
}

#[rocket::async_trait]
impl catcher::Handler for Site {
    async fn handle<'r>(&self, _: Status, request: &'r Request<'_>) -> catcher::Result<'r> {
        assert_eq!(self.sessions.of(request.cookies()).current().await, Ok(None));
        Ok(Response::new())
    }
}

/// A visitor's browser.
struct Browser {
    client: Client,
    site: Site,
    visits: AtomicUsize,
    cookies: Mutex<BTreeMap<String, Cookie<'static>>>,
    /// The `Set-Cookie` lines of the last answer.
    lines: Mutex<Vec<String>>,
    _shared: Arc<Shared>,
}

impl Browser {
    /// At a site of its own that keeps sessions in cookies.
    async fn new(secure: bool) -> (Arc<Self>, Arc<SetClock>) {
        let shared = Arc::new(Shared::new().await);
        let browser = Self::at(shared.cookies(secure, &[]), KEY, &shared).await;
        (Arc::new(browser), shared.clock.clone())
    }

    async fn with_key(key: &str) -> (Arc<Self>, Arc<SetClock>) {
        let shared = Arc::new(Shared::new().await);
        let browser = Self::at(shared.cookies(false, &[]), key, &shared).await;
        (Arc::new(browser), shared.clock.clone())
    }

    /// At a site that seals its cookies with the key.
    async fn at(sessions: Arc<dyn Store>, key: &str, shared: &Arc<Shared>) -> Self {
        let site = Site { sessions, steps: Arc::default() };
        let config = Figment::from(rocket::Config::debug_default()).merge(("secret_key", key));
        let rocket = rocket::custom(config)
            .mount("/", [Route::new(Method::Get, "/<_..>", site.clone())])
            .register("/", [Catcher::new(None, site.clone())]);
        let client = Client::untracked(rocket).await.unwrap();
        let (cookies, lines, visits) = Default::default();
        Self { client, site, visits, cookies, lines, _shared: shared.clone() }
    }

    /// Takes over another browser's cookies.
    fn take_cookies_of(&self, other: &Self) {
        *self.cookies.lock().unwrap() = other.cookies.lock().unwrap().clone();
    }

    async fn get(&self, path: &str) {
        let mut request = self.client.get(path.to_owned());
        for cookie in self.cookies.lock().unwrap().values() {
            request = request.cookie(cookie.clone());
        }
        let response = request.dispatch().await;
        let lines = response.headers().get("Set-Cookie").map(str::to_owned).collect();
        *self.lines.lock().unwrap() = lines;
        let mut cookies = self.cookies.lock().unwrap();
        for cookie in response.cookies().iter() {
            if cookie.max_age() == Some(Duration::ZERO) {
                cookies.remove(cookie.name());
            } else {
                let kept = Cookie::new(cookie.name().to_owned(), cookie.value().to_owned());
                cookies.insert(cookie.name().to_owned(), kept);
            }
        }
    }

    /// Does the step within one request.
    async fn visit<T: Send + 'static>(
        &self,
        step: impl for<'a> FnOnce(&'a dyn SessionStore) -> BoxFuture<'a, T> + Send + 'static,
    ) -> T {
        let answer = Arc::new(Mutex::new(None));
        let slot = answer.clone();
        let step: Step = Box::new(move |store| {
            Box::pin(async move {
                let done = step(store).await;
                *slot.lock().unwrap() = Some(done);
            })
        });
        let path = format!("/{}", self.visits.fetch_add(1, Ordering::SeqCst));
        self.site.steps.lock().unwrap().insert(path.clone(), step);
        self.get(&path).await;
        answer.lock().unwrap().take().unwrap()
    }

    fn names(&self) -> Vec<String> {
        self.cookies.lock().unwrap().keys().cloned().collect()
    }

    fn value(&self, name: &str) -> String {
        self.cookies.lock().unwrap()[name].value().to_owned()
    }

    fn set(&self, name: &str, value: &str) {
        let cookie = Cookie::new(name.to_owned(), value.to_owned());
        self.cookies.lock().unwrap().insert(name.to_owned(), cookie);
    }
}

/// Each call is one request.
#[async_trait]
impl SessionStore for Browser {
    async fn current(&self) -> Result<Option<Session>, SessionsUnavailable> {
        self.visit(|store| store.current()).await
    }

    async fn start(&self, session: &Session) -> Result<(), SessionsUnavailable> {
        let session = session.clone();
        self.visit(|store| Box::pin(async move { store.start(&session).await })).await
    }

    async fn update(&self, change: &Change) -> Result<Option<Session>, SessionsUnavailable> {
        let change = change.clone();
        self.visit(|store| Box::pin(async move { store.update(&change).await })).await
    }

    async fn take_turn(&self) -> Result<Turn, SessionsUnavailable> {
        self.visit(|store| store.take_turn()).await
    }

    async fn end_turn(&self) -> Result<(), SessionsUnavailable> {
        self.visit(|store| store.end_turn()).await
    }

    async fn end(&self) -> Result<(), SessionsUnavailable> {
        self.visit(|store| store.end()).await
    }

    async fn remember(&self, attempt: &LoginAttempt) -> Result<(), SessionsUnavailable> {
        let attempt = attempt.clone();
        self.visit(|store| Box::pin(async move { store.remember(&attempt).await })).await
    }

    async fn take_attempt(
        &self,
        state: &State,
    ) -> Result<Option<LoginAttempt>, SessionsUnavailable> {
        let state = state.clone();
        self.visit(|store| Box::pin(async move { store.take_attempt(&state).await })).await
    }
}

async fn in_cookies(secure: bool) -> (Arc<dyn SessionStore>, Arc<SetClock>) {
    let (browser, clock) = Browser::new(secure).await;
    (browser, clock)
}

async fn in_sqlite() -> (Arc<dyn SessionStore>, Arc<SetClock>) {
    let shared = Arc::new(Shared::new().await);
    let browser = Browser::at(shared.in_database(KEY, &[]), KEY, &shared).await;
    (Arc::new(browser), shared.clock.clone())
}

mod plain_cookies {
    use super::*;
    session_store_contract!(in_cookies(false));
}

mod secure_cookies {
    use super::*;
    session_store_contract!(in_cookies(true));
}

mod sqlite {
    use super::*;
    session_store_contract!(in_sqlite());
}
