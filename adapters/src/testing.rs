//! A browser for the tests of session stores, which sends real cookies.
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
use portico_contracts::sessions::Cookies;
use portico_domain::{
    model::{LoginAttempt, LoginLoopGuard, Session, SessionChange, State},
    ports::{
        LoginAttempts, Renewal, SaveSessionError, SessionStore, SessionsUnavailable, TokenRenewal,
    },
};
use rocket::{
    Catcher, Data, Request, Response, Route, catcher,
    figment::Figment,
    futures::future::BoxFuture,
    http::{Cookie, Header, Method, Status},
    local::asynchronous::Client,
    route::{self, Outcome},
    time::Duration,
};

use crate::sessions::{LoginAttemptStores, SessionStores};

type Step = Box<dyn for<'a> FnOnce(&'a VisitorPorts<'a>) -> BoxFuture<'a, ()> + Send>;

/// The stores of a site under test.
#[derive(Clone)]
pub struct Stores {
    /// Makes session stores.
    pub sessions: Arc<dyn SessionStores>,
    /// Makes the stores of log-in attempts.
    pub attempts: Arc<dyn LoginAttemptStores>,
}

/// The ports of one visitor, for one request.
pub struct VisitorPorts<'r> {
    /// The session.
    pub session: Box<dyn SessionStore + 'r>,
    /// The log-in attempts.
    pub attempts: Box<dyn LoginAttempts + 'r>,
}

/// A site whose pages do what the test says, except for one that fails.
#[derive(Clone)]
struct Site {
    stores: Stores,
    steps: Arc<Mutex<HashMap<String, Step>>>,
}

#[rocket::async_trait]
impl route::Handler for Site {
    async fn handle<'r>(&self, request: &'r Request<'_>, _: Data<'r>) -> Outcome<'r> {
        let session = self.stores.sessions.of(request);
        if request.uri().path() == "/fail" {
            assert_eq!(session.current().await, Ok(None));
            return Outcome::Error(Status::Unauthorized);
        }
        let attempts = self.stores.attempts.of(request);
        let step = self.steps.lock().unwrap().remove(request.uri().path().as_str()).unwrap();
        step(&VisitorPorts { session, attempts }).await;
        Outcome::Success(Response::new())
    }
}

#[rocket::async_trait]
impl catcher::Handler for Site {
    async fn handle<'r>(&self, _: Status, request: &'r Request<'_>) -> catcher::Result<'r> {
        assert_eq!(self.stores.sessions.of(request).current().await, Ok(None));
        Ok(Response::new())
    }
}

/// A browser whose cookies a test can see and change. Each call of a port is a request of its own.
pub struct Browser {
    client: Client,
    site: Site,
    requests: AtomicUsize,
    cookies: Mutex<BTreeMap<String, Cookie<'static>>>,
    /// Pairs that are sent before the cookies, byte for byte.
    raw_pairs: Mutex<Vec<String>>,
    /// The `Set-Cookie` lines of the last response.
    lines: Mutex<Vec<String>>,
    kept: Mutex<Vec<Box<dyn Any + Send>>>,
}

impl Browser {
    /// A browser at a site with these stores, whose cookies Rocket seals with this key, in base64.
    ///
    /// # Panics
    /// When the text is no key.
    pub async fn at(stores: Stores, key: &str) -> Self {
        let site = Site { stores, steps: Arc::default() };
        let config = Figment::from(rocket::Config::debug_default()).merge(("secret_key", key));
        let rocket = rocket::custom(config)
            .mount("/", [Route::new(Method::Get, "/<_..>", site.clone())])
            .register("/", [Catcher::new(None, site.clone())]);
        let client = Client::untracked(rocket).await.unwrap();
        let (requests, cookies, raw_pairs, lines, kept) = Default::default();
        Self { client, site, requests, cookies, raw_pairs, lines, kept }
    }

    /// Keeps a value alive as long as the browser, such as the folder of a database.
    pub fn keep(&self, thing: impl Any + Send) {
        self.kept.lock().unwrap().push(Box::new(thing));
    }

    /// Takes over another browser's cookies.
    pub fn take_cookies_of(&self, other: &Self) {
        *self.cookies.lock().unwrap() = other.cookies.lock().unwrap().clone();
    }

    /// Makes a request. The path `/fail` is answered by a catcher, other paths by the step of
    /// [`Browser::request`].
    pub async fn get(&self, path: &str) {
        let mut request = self.client.get(path.to_owned());
        let pairs: Vec<_> = {
            let cookies = self.cookies.lock().unwrap();
            let own = cookies.values().map(|cookie| cookie.encoded().stripped().to_string());
            self.raw_pairs.lock().unwrap().iter().cloned().chain(own).collect()
        };
        if !pairs.is_empty() {
            request = request.header(Header::new("Cookie", pairs.join("; ")));
        }
        // A local request does not read its own header into the jar, as a server does.
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

    /// Makes a request that does the step.
    pub async fn request<T: Send + 'static>(
        &self,
        step: impl for<'a> FnOnce(&'a VisitorPorts<'a>) -> BoxFuture<'a, T> + Send + 'static,
    ) -> T {
        let answer = Arc::new(Mutex::new(None));
        let slot = answer.clone();
        let step: Step = Box::new(move |store| {
            Box::pin(async move {
                let done = step(store).await;
                *slot.lock().unwrap() = Some(done);
            })
        });
        let path = format!("/{}", self.requests.fetch_add(1, Ordering::SeqCst));
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

    /// Sends this pair before the cookies from now on, byte for byte, as if another host had set it.
    pub fn add_raw_pair(&self, pair: &str) {
        self.raw_pairs.lock().unwrap().push(pair.to_owned());
    }

    /// Removes a cookie.
    pub fn remove(&self, name: &str) {
        self.cookies.lock().unwrap().remove(name);
    }

    /// The `Set-Cookie` lines of the last response.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// The sealed value of a cookie.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn value(&self, name: &str) -> String {
        self.cookies.lock().unwrap()[name].value().to_owned()
    }

    /// Sets a cookie, with this value as it is.
    pub fn set(&self, name: &str, value: &str) {
        let cookie = Cookie::new(name.to_owned(), value.to_owned());
        self.cookies.lock().unwrap().insert(name.to_owned(), cookie);
    }
}

impl portico_contracts::sessions::Browser for Browser {
    fn cookies(&self) -> Cookies {
        let cookies = self.cookies.lock().unwrap();
        cookies.iter().map(|(name, cookie)| (name.clone(), cookie.value().to_owned())).collect()
    }
}

/// Each call is one request.
#[async_trait]
impl SessionStore for Browser {
    async fn current(&self) -> Result<Option<Session>, SessionsUnavailable> {
        self.request(|visitor| visitor.session.current()).await
    }

    async fn start(&self, session: &Session) -> Result<(), SaveSessionError> {
        let session = session.clone();
        self.request(|visitor| Box::pin(async move { visitor.session.start(&session).await })).await
    }

    async fn update(&self, change: &SessionChange) -> Result<Option<Session>, SaveSessionError> {
        let change = change.clone();
        self.request(|visitor| Box::pin(async move { visitor.session.update(&change).await })).await
    }

    async fn refresh<'a>(
        &self,
        stale: &Session,
        renewal: &'a (dyn TokenRenewal + 'a),
    ) -> Result<Option<Session>, SaveSessionError> {
        // The renewal lives only as long as this call: the request is made in this task, and the
        // two meet in channels.
        let (sender, mut receiver) = tokio::sync::mpsc::channel::<Session>(1);
        let (answer, answers) = tokio::sync::mpsc::channel::<Renewal>(1);
        let forwarded =
            ForwardedRenewal { requests: sender, answers: tokio::sync::Mutex::new(answers) };
        let stale = stale.clone();
        let request = self.request(|visitor| {
            Box::pin(async move { visitor.session.refresh(&stale, &forwarded).await })
        });
        let renewals = async {
            while let Some(session) = receiver.recv().await {
                let _ = answer.send(renewal.renew(&session).await).await;
            }
        };
        tokio::join!(request, renewals).0
    }

    async fn end(&self) -> Result<(), SessionsUnavailable> {
        self.request(|visitor| visitor.session.end()).await
    }
}

/// Sends the session to the task that has the renewal, and receives the result.
struct ForwardedRenewal {
    requests: tokio::sync::mpsc::Sender<Session>,
    answers: tokio::sync::Mutex<tokio::sync::mpsc::Receiver<Renewal>>,
}

#[async_trait]
impl TokenRenewal for ForwardedRenewal {
    async fn renew(&self, session: &Session) -> Renewal {
        self.requests.send(session.clone()).await.unwrap();
        self.answers.lock().await.recv().await.unwrap()
    }
}

#[async_trait]
impl LoginAttempts for Browser {
    async fn remember(&self, attempt: &LoginAttempt) -> Result<(), SessionsUnavailable> {
        let attempt = attempt.clone();
        self.request(|visitor| Box::pin(async move { visitor.attempts.remember(&attempt).await }))
            .await
    }

    async fn take(&self, state: &State) -> Result<Option<LoginAttempt>, SessionsUnavailable> {
        let state = state.clone();
        self.request(|visitor| Box::pin(async move { visitor.attempts.take(&state).await })).await
    }

    async fn loop_guard(&self) -> LoginLoopGuard {
        self.request(|visitor| visitor.attempts.loop_guard()).await
    }

    async fn set_loop_guard(&self, guard: &LoginLoopGuard) {
        let guard = guard.clone();
        self.request(|visitor| {
            Box::pin(async move { visitor.attempts.set_loop_guard(&guard).await })
        })
        .await;
    }
}
