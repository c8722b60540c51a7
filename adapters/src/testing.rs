//! For the tests of session stores: visitors whose browsers really send cookies.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    any::Any,
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use portico_contracts::sessions::{Cookies, Visitor};
use portico_domain::{
    model::{Change, LoginAttempt, Session, State},
    ports::{SessionStore, SessionsUnavailable, Turn},
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

use crate::sessions::Sessions;

type Step = Box<dyn for<'a> FnOnce(&'a dyn SessionStore) -> BoxFuture<'a, ()> + Send>;

/// A site whose pages do what the test says, and whose other page fails.
#[derive(Clone)]
struct Site {
    sessions: Arc<dyn Sessions>,
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

/// A visitor's browser, whose cookies a test can see and change. Each call of the port
/// `SessionStore` is a request of its own.
pub struct Browser {
    client: Client,
    site: Site,
    visits: AtomicUsize,
    cookies: Mutex<BTreeMap<String, Cookie<'static>>>,
    /// The `Set-Cookie` lines of the last answer.
    lines: Mutex<Vec<String>>,
    kept: Mutex<Vec<Box<dyn Any + Send>>>,
}

impl Browser {
    /// At a site that makes its stores so, and seals its cookies with the key, in base64.
    ///
    /// # Panics
    /// When the text is no key.
    pub async fn at(sessions: Arc<dyn Sessions>, key: &str) -> Self {
        let site = Site { sessions, steps: Arc::default() };
        let config = Figment::from(rocket::Config::debug_default()).merge(("secret_key", key));
        let rocket = rocket::custom(config)
            .mount("/", [Route::new(Method::Get, "/<_..>", site.clone())])
            .register("/", [Catcher::new(None, site.clone())]);
        let client = Client::untracked(rocket).await.unwrap();
        let (cookies, lines, visits, kept) = Default::default();
        Self { client, site, visits, cookies, lines, kept }
    }

    /// Holds on to something, such as the folder of a database, as long as the browser lives.
    pub fn keep(&self, thing: impl Any + Send) {
        self.kept.lock().unwrap().push(Box::new(thing));
    }

    /// Takes over another browser's cookies.
    pub fn take_cookies_of(&self, other: &Self) {
        *self.cookies.lock().unwrap() = other.cookies.lock().unwrap().clone();
    }

    /// One request. The path `/fail` is answered by a catcher, and other paths by what
    /// [`Browser::visit`] does.
    pub async fn get(&self, path: &str) {
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
    pub async fn visit<T: Send + 'static>(
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

    /// The names of its cookies, sorted.
    pub fn names(&self) -> Vec<String> {
        self.cookies.lock().unwrap().keys().cloned().collect()
    }

    /// All its cookies: to be put back with [`Browser::put_back`].
    pub fn copy(&self) -> BTreeMap<String, Cookie<'static>> {
        self.cookies.lock().unwrap().clone()
    }

    /// Replaces its cookies by a copy.
    pub fn put_back(&self, copy: BTreeMap<String, Cookie<'static>>) {
        *self.cookies.lock().unwrap() = copy;
    }

    /// Takes a cookie away.
    pub fn remove(&self, name: &str) {
        self.cookies.lock().unwrap().remove(name);
    }

    /// The `Set-Cookie` lines of the last answer.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// The value of a cookie, sealed as it came.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn value(&self, name: &str) -> String {
        self.cookies.lock().unwrap()[name].value().to_owned()
    }

    /// Puts a cookie there, as it is.
    pub fn set(&self, name: &str, value: &str) {
        let cookie = Cookie::new(name.to_owned(), value.to_owned());
        self.cookies.lock().unwrap().insert(name.to_owned(), cookie);
    }
}

impl Visitor for Browser {
    fn cookies(&self) -> Cookies {
        let cookies = self.cookies.lock().unwrap();
        cookies.iter().map(|(name, cookie)| (name.clone(), cookie.value().to_owned())).collect()
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
