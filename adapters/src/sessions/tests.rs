//! The contract, and what is particular to cookies, through real jars: each call of the contract
//! is a request of its own, by a browser that a test can tamper with.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock},
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, TimeDelta};
use portico_domain::{
    model::{Change, Claims, IdToken, LoginAttempt, Session, SessionId, State, Tokens},
    ports::{Clock, Randomness, SessionStore, SessionsUnavailable, Turn},
    session_store_contract,
    testing::{self, SetClock, contract::sessions::LIFETIMES},
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
use crate::{database::Database, system::SystemRandomness};

type Step = Box<dyn for<'a> FnOnce(&'a dyn SessionStore) -> BoxFuture<'a, ()> + Send>;

/// A site whose one page does what the test says, and whose other page fails.
#[derive(Clone)]
struct Site {
    sessions: Arc<dyn Sessions>,
    step: Arc<Mutex<Option<Step>>>,
}

#[rocket::async_trait]
impl route::Handler for Site {
    async fn handle<'r>(&self, request: &'r Request<'_>, _: Data<'r>) -> Outcome<'r> {
        let store = self.sessions.of(request.cookies());
        if request.uri().path() == "/fail" {
            assert_eq!(store.current().await, Ok(None));
            return Outcome::Error(Status::Unauthorized);
        }
        let step = self.step.lock().unwrap().take().unwrap();
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

/// A visitor's browser, at a site with a key of its own.
struct Browser {
    client: Client,
    site: Site,
    cookies: Mutex<BTreeMap<String, Cookie<'static>>>,
    /// The `Set-Cookie` lines of the last answer.
    lines: Mutex<Vec<String>>,
    /// Kept as long as the browser, where nobody else keeps it.
    place: OnceLock<Place>,
}

/// How the site keeps its sessions, in a SQLite database.
#[derive(Clone, Copy)]
enum Kept {
    InCookies,
    InDatabase,
}

/// A place where sites keep their sessions.
struct Place {
    database: Database,
    _folder: TempDir,
    clock: Arc<SetClock>,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("portico.db").display());
        let database = Database::open(&url, crate::tls::client_config(None).unwrap()).unwrap();
        database.migrate().await.unwrap();
        Self { database, _folder: folder, clock: Arc::default() }
    }

    /// A site with these keys, the current one first.
    async fn site(&self, kept: Kept, secure: bool, keys: &[[u8; 32]]) -> (Client, Site) {
        let settings = SessionSettings {
            secure,
            lifetimes: LIFETIMES,
            keys: SiteKeys::new(keys[0], keys[1..].to_vec()),
        };
        let (database, clock, randomness) =
            (&self.database, self.clock.clone(), Arc::new(SystemRandomness));
        let sessions: Arc<dyn Sessions> = match kept {
            Kept::InCookies => PrivateCookies::new(settings, database, clock, randomness),
            Kept::InDatabase => ServerSide::in_database(settings, database, clock, randomness),
        };
        let site = Site { sessions, step: Arc::default() };
        let config = Figment::from(rocket::Config::debug_default());
        let rocket = rocket::custom(config.merge(("secret_key", STANDARD.encode(keys[0]))))
            .mount("/", [Route::new(Method::Get, "/<_..>", site.clone())])
            .register("/", [Catcher::new(None, site.clone())]);
        (Client::untracked(rocket).await.unwrap(), site)
    }

    /// A browser that is new to such a site.
    async fn browser(&self, kept: Kept, secure: bool, keys: &[[u8; 32]]) -> Arc<Browser> {
        let (client, site) = self.site(kept, secure, keys).await;
        let (cookies, lines, place) = Default::default();
        Arc::new(Browser { client, site, cookies, lines, place })
    }
}

impl Browser {
    /// At a site with a key and a database of its own.
    async fn new(secure: bool) -> (Arc<Self>, Arc<SetClock>, Place) {
        let place = Place::new().await;
        let key = SystemRandomness.bytes().unwrap();
        let browser = place.browser(Kept::InCookies, secure, &[key]).await;
        (browser, place.clock.clone(), place)
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
        *self.site.step.lock().unwrap() = Some(step);
        self.get("/").await;
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

async fn visiting(kept: Kept, secure: bool) -> (Arc<dyn SessionStore>, Arc<SetClock>) {
    let place = Place::new().await;
    let browser = place.browser(kept, secure, &[[1; 32]]).await;
    let clock = place.clock.clone();
    browser.place.set(place).ok();
    (browser, clock)
}

mod in_cookies {
    use super::*;
    session_store_contract!(visiting(Kept::InCookies, false));
}

mod in_secure_cookies {
    use super::*;
    session_store_contract!(visiting(Kept::InCookies, true));
}

mod in_the_database {
    use super::*;
    session_store_contract!(visiting(Kept::InDatabase, false));
}

fn session_of(bytes: usize, token: &str) -> Session {
    let session = testing::session();
    let id_token = IdToken::new(token.repeat(bytes / token.len()));
    Session { tokens: Tokens { id_token, ..session.tokens }, ..session }
}

#[tokio::test]
async fn no_cookie_is_longer_than_browsers_keep() {
    for secure in [false, true] {
        for (bytes, token) in [(12_000, "a"), (30_000, "z"), (12_000, "\u{e9}"), (2_400, "x")] {
            let (browser, _, _place) = Browser::new(secure).await;
            browser.start(&session_of(bytes, token)).await.unwrap();
            let lines = browser.lines.lock().unwrap().clone();
            assert!(!lines.is_empty());
            for line in lines {
                assert!(line.len() <= 4_096, "{} bytes", line.len());
            }
        }
    }
}

#[test]
fn only_chance_far_out_of_reach_makes_a_cookie_too_long() {
    let sealed = (chunks::LONGEST + 28).div_ceil(3) * 4;
    let slashes = (4_096 - 150 - sealed) / 2;
    // 3,500 characters, each a slash once in 64: 55 expected, with a deviation of 7.3.
    assert_eq!(sealed, 3_500);
    assert!(slashes >= 55 + 20 * 8);
}

#[tokio::test]
async fn cookies_are_shut_to_scripts_and_last_as_long_as_what_they_hold() {
    let (browser, clock, _place) = Browser::new(true).await;
    browser.start(&testing::session()).await.unwrap();
    let line = browser.lines.lock().unwrap()[0].clone();
    assert!(line.starts_with("__Host-portico_session_0="), "{line}");
    let (_, attributes) = line.split_once("; ").unwrap();
    assert_eq!(attributes, "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=100");
    assert!(attributes.len() + "__Host-portico_session_0=; ".len() < 150);

    clock.advance(TimeDelta::seconds(90));
    for seconds in [90, 30] {
        browser.update(&Change::Seen(clock.now())).await.unwrap();
        clock.advance(TimeDelta::seconds(seconds));
    }
    browser.update(&Change::Seen(clock.now())).await.unwrap();
    assert!(browser.lines.lock().unwrap()[0].ends_with("Max-Age=40"));

    browser.remember(&testing::attempt("a", "/")).await.unwrap();
    let line = browser.lines.lock().unwrap()[0].clone();
    assert!(line.starts_with("__Host-portico_login_ca978112ca1bbdca="), "{line}");
    assert!(line.ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=600"), "{line}");

    browser.end().await.unwrap();
    // A browser refuses to remove a `__Host-` cookie by a line without these.
    for line in &*browser.lines.lock().unwrap() {
        assert!(line.contains("; Secure; Path=/") && !line.contains("Domain"), "{line}");
    }
    assert_eq!(browser.names(), ["__Host-portico_login_ca978112ca1bbdca"]);
}

#[tokio::test]
async fn no_cookie_shows_what_it_holds() {
    let (browser, _, _place) = Browser::new(false).await;
    browser.start(&session_of(4_000, "secret")).await.unwrap();
    browser.remember(&testing::attempt("a", "/")).await.unwrap();
    for name in browser.names() {
        assert!(!browser.value(&name).contains("secret"));
    }
}

#[tokio::test]
async fn what_is_not_exactly_right_makes_a_stranger_and_is_cleared() {
    type Tamper = fn(&Browser);
    let tamperings: [(&str, Tamper); 7] = [
        ("one letter changed", |browser| {
            let value = browser.value("portico_session_1");
            let last = if value.ends_with('A') { 'B' } else { 'A' };
            browser.set("portico_session_1", &format!("{last}{}", &value[1..]));
        }),
        ("truncated", |browser| {
            let value = browser.value("portico_session_0");
            browser.set("portico_session_0", &value[..value.len() - 4]);
        }),
        ("swapped", |browser| {
            let (one, two) =
                (browser.value("portico_session_1"), browser.value("portico_session_2"));
            browser.set("portico_session_1", &two);
            browser.set("portico_session_2", &one);
        }),
        ("a gap", |browser| {
            browser.cookies.lock().unwrap().remove("portico_session_1");
        }),
        ("no beginning", |browser| {
            browser.cookies.lock().unwrap().remove("portico_session_0");
        }),
        ("no seal", |browser| {
            browser.set("portico_session_0", "a01AAAAAAAAAAA");
        }),
        ("nothing", |browser| {
            browser.set("portico_session_0", "");
        }),
    ];
    for (name, tamper) in tamperings {
        let (browser, _, _place) = Browser::new(false).await;
        browser.start(&session_of(8_000, "abcdefgh")).await.unwrap();
        assert_eq!(browser.names().len(), 4);
        tamper(&browser);
        assert_eq!(browser.current().await, Ok(None), "{name}");
        assert_eq!(browser.names(), [""; 0], "{name}");
    }
}

#[tokio::test]
async fn chunks_of_two_sessions_do_not_mix() {
    let (browser, _, _place) = Browser::new(false).await;
    browser.start(&session_of(8_000, "abcdefgh")).await.unwrap();
    let old = browser.value("portico_session_1");
    browser.start(&session_of(8_000, "ijklmnop")).await.unwrap();
    browser.set("portico_session_1", &old);
    assert_eq!(browser.current().await, Ok(None));
    assert_eq!(browser.names(), [""; 0]);
}

#[tokio::test]
async fn cookies_sealed_with_another_key_are_cleared() {
    let (browser, _, _place) = Browser::new(false).await;
    let (other, _, _other_place) = Browser::new(false).await;
    let attempt = testing::attempt("a", "/");
    other.start(&testing::session()).await.unwrap();
    other.remember(&attempt).await.unwrap();
    *browser.cookies.lock().unwrap() = other.cookies.lock().unwrap().clone();
    assert_eq!(browser.current().await, Ok(None));
    assert_eq!(browser.take_attempt(&attempt.state).await, Ok(None));
    assert_eq!(browser.names(), [""; 0]);
}

#[tokio::test]
async fn an_expired_session_is_cleared() {
    let (browser, clock, _place) = Browser::new(false).await;
    browser.start(&testing::session()).await.unwrap();
    clock.advance(TimeDelta::seconds(100));
    assert_eq!(browser.current().await, Ok(None));
    assert_eq!(browser.names(), [""; 0]);
}

#[tokio::test]
async fn broken_cookies_are_cleared_by_a_catcher_too() {
    let (browser, _, _place) = Browser::new(false).await;
    browser.set("portico_session_0", "broken");
    browser.get("/fail").await;
    assert_eq!(browser.names(), [""; 0]);
}

#[tokio::test]
async fn what_a_request_writes_it_also_reads() {
    let (browser, _, _place) = Browser::new(false).await;
    let large = session_of(8_000, "abcdefgh");
    let another = Session { id: SessionId::new([2; 32]), ..testing::session() };
    let expected = another.clone();
    browser
        .visit(|store| {
            Box::pin(async move {
                store.start(&large).await.unwrap();
                assert_eq!(store.current().await, Ok(Some(large)));
                store.end().await.unwrap();
                assert_eq!(store.current().await, Ok(None));
                assert_eq!(store.update(&Change::Seen(DateTime::UNIX_EPOCH)).await, Ok(None));
                assert_eq!(store.current().await, Ok(None));
                store.start(&another).await.unwrap();
                let attempt = testing::attempt("a", "/");
                store.remember(&attempt).await.unwrap();
                assert_eq!(store.take_attempt(&attempt.state).await, Ok(Some(attempt)));
            })
        })
        .await;
    assert_eq!(browser.names(), ["portico_session_0"]);
    assert_eq!(browser.current().await, Ok(Some(expected)));
}

#[tokio::test]
async fn a_session_too_large_is_refused_aloud_and_leaves_the_earlier_one() {
    let (browser, _, _place) = Browser::new(false).await;
    browser.start(&testing::session()).await.unwrap();
    let mut claims = testing::session().claims.to_map();
    claims.insert("secret".into(), "hunter2 ".repeat(5_000).into());
    let large = Session { claims: Claims::new(&claims), ..testing::session() };
    let error = browser.start(&large).await.unwrap_err().to_string();
    assert!(error.contains("bytes") && !error.contains("hunter2"), "{error}");
    assert_eq!(browser.current().await, Ok(Some(testing::session())));
}

#[tokio::test]
async fn five_attempts_are_five_cookies() {
    let (browser, clock, _place) = Browser::new(false).await;
    for number in 0..8 {
        clock.advance(TimeDelta::seconds(1));
        let attempt = testing::attempt(&number.to_string(), "/");
        browser.remember(&LoginAttempt { started_at: clock.now(), ..attempt }).await.unwrap();
    }
    assert_eq!(browser.names().len(), 5);
}
