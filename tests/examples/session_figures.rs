//! Measures how long a store takes to read a session:
//! `cargo run --release -p portico-tests --example session_figures`.
//!
//! Starts 10,000 sessions in each store, reads each of them once in a shuffled order, and prints the
//! median and the 99th percentile in microseconds; then PostgreSQL again with 1,000,000 sessions.
//! The cookies are unsealed each time, as for a request, but no socket of the site is involved.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program that prints figures")]

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use chrono::TimeDelta;
use portico_adapters::{
    database::Database,
    sessions::{
        CookieLoginAttempts, CookieSessions, CookieSettings, ServerSideSessions, SessionStores,
    },
    system::{SystemClock, SystemRandomness},
    testing::{Browser, Stores},
    tls,
};
use portico_contracts::fixtures;
use portico_domain::{
    model::{Lifetimes, Session, SessionId, Subject},
    ports::{Clock, Randomness, ReplayGuard, SessionStore},
};
use portico_tests::{postgres::Postgres, redis::Redis, site::SECRET_KEY};
use rocket::http::Cookie;
use tokio_postgres::NoTls;

const SESSIONS: usize = 10_000;

/// The cookies of one browser.
type Cookies = BTreeMap<String, Cookie<'static>>;

fn settings() -> CookieSettings {
    CookieSettings {
        public_url: "http://127.0.0.1:4040".into(),
        secure: false,
        form_post: false,
        lifetimes: Lifetimes { rolling: TimeDelta::days(1), absolute: TimeDelta::days(7) },
        key: SECRET_KEY.parse().unwrap(),
        previous_keys: Vec::new(),
    }
}

async fn browser(sessions: Arc<dyn SessionStores>, replay_guard: Arc<dyn ReplayGuard>) -> Browser {
    let attempts = CookieLoginAttempts::new(settings(), replay_guard, Arc::new(SystemClock));
    Browser::at(Stores { sessions, attempts: Arc::new(attempts) }, SECRET_KEY).await
}

async fn measure(name: &str, browser: &Browser) -> Vec<Cookies> {
    let mut sessions = Vec::with_capacity(SESSIONS);
    for number in 0..SESSIONS {
        let id = SessionId::new(SystemRandomness.bytes().unwrap());
        let mut session = Session { id, ..fixtures::session_at(SystemClock.now()) };
        session.identity.subject = Subject::new(fixtures::ISSUER, format!("user-{number}"));
        browser.put_back(Cookies::new());
        browser.start(&session).await.unwrap();
        sessions.push(browser.copy());
    }
    report(name, browser, &sessions).await;
    sessions
}

async fn report(name: &str, browser: &Browser, sessions: &[Cookies]) {
    let mut times = Vec::with_capacity(sessions.len());
    for number in 0..sessions.len() {
        // Far apart, one after the other: 7,919 is prime.
        browser.put_back(sessions[number * 7_919 % sessions.len()].clone());
        let time = browser.request(|visitor| {
            Box::pin(async move {
                let start = Instant::now();
                assert!(visitor.session.current().await.unwrap().is_some());
                start.elapsed()
            })
        });
        times.push(time.await);
    }
    times.sort_unstable();
    let [median, high] = [50, 99].map(|percent| times[times.len() * percent / 100].as_micros());
    println!("{name:<42} {median:>6} µs median  {high:>6} µs 99th percentile");
}

#[rocket::main]
async fn main() {
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandomness));
    let open = |url: &str| Database::open(url, tls::client_config(None).unwrap()).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let sqlite = open(&format!("sqlite://{}", folder.path().join("portico.db").display()));
    sqlite.migrate().await.unwrap();
    let store = Arc::new(CookieSessions::new(settings(), &sqlite, clock.clone(), random.clone()));
    measure("cookies", &browser(store.clone(), store.replay_guard()).await).await;
    let in_database = |database: &Database| {
        Arc::new(ServerSideSessions::in_database(
            settings(),
            database,
            clock.clone(),
            random.clone(),
        ))
    };
    let store = in_database(&sqlite);
    measure("SQLite, 10,000 sessions", &browser(store.clone(), store.replay_guard()).await).await;

    let server = Redis::start();
    let (redis_clock, redis_random) = (clock.clone(), random.clone());
    let address = server.url().parse().unwrap();
    let store = ServerSideSessions::in_redis(settings(), &address, None, redis_clock, redis_random);
    let store = Arc::new(store.unwrap());
    measure("Redis, 10,000 sessions", &browser(store.clone(), store.replay_guard()).await).await;

    let server = Postgres::start();
    let postgres = open(&server.url());
    postgres.migrate().await.unwrap();
    let store = in_database(&postgres);
    let browser = browser(store.clone(), store.replay_guard()).await;
    let sessions = measure("PostgreSQL, 10,000 sessions", &browser).await;
    let (sql, connection) = tokio_postgres::connect(&server.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    // Sessions of other users, of the same size, which are never read.
    let more = "insert into sessions (key, subject, sealed, expires_at) \
        select sha256(number::text::bytea), sha256(('user' || number)::bytea), sealed, expires_at \
        from generate_series(1, 990000) as number, (select * from sessions limit 1) as one; \
        analyze sessions";
    sql.batch_execute(more).await.unwrap();
    let all: i64 = sql.query_one("select count(*) from sessions", &[]).await.unwrap().get(0);
    assert_eq!(all, 1_000_000);
    report("PostgreSQL, 1,000,000 sessions", &browser, &sessions).await;
}
