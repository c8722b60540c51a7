//! How long a store takes to read a session: `cargo run --release --example session_figures`.
//!
//! Signs 10,000 people in at each store, reads each of their sessions once in a shuffled order, and
//! prints the median and the 99th percentile in microseconds; then PostgreSQL again with 1,000,000
//! sessions. The cookies are unsealed each time, as for a request, but no socket of the site is
//! involved.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program that prints figures")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use portico_adapters::{
    database::Database,
    sessions::{CookieSettings, KeyMaterial, PrivateCookies, ServerSide, Sessions},
    system::{SystemClock, SystemRandomness},
    tls,
};
use portico_contracts::fixtures;
use portico_domain::{
    model::{Lifetimes, Session, SessionId},
    ports::{Clock, Randomness},
};
use portico_tests::{postgres::Postgres, redis::Redis, site::SECRET_KEY};
use rocket::{
    figment::Figment,
    http::{Cookie, CookieJar},
    local::asynchronous::Client,
};
use tokio_postgres::NoTls;

const PEOPLE: usize = 10_000;

/// The cookies that one person's browser holds, unsealed.
type Held = Vec<(String, String)>;

fn settings() -> CookieSettings {
    CookieSettings {
        secure: false,
        form_post: false,
        lifetimes: Lifetimes { rolling: TimeDelta::days(1), absolute: TimeDelta::days(7) },
        previous_keys: Vec::new(),
    }
}

fn held(jar: &CookieJar<'_>) -> Held {
    let chunks = (0..12).map(|index| format!("portico_session_{index}"));
    let names = std::iter::once("portico_session".to_owned()).chain(chunks);
    names
        .filter_map(|name| Some((name.clone(), jar.get_pending(&name)?.value().to_owned())))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

async fn sign_in(client: &Client, store: &dyn Sessions, number: usize) -> Held {
    let id = SessionId::new(SystemRandomness.bytes().unwrap());
    let session = Session { id, subject: format!("user-{number}"), ..fixtures::session() };
    let now = SystemClock.now();
    let session = Session { started_at: now, seen_at: now, ..session };
    let request = client.get("/");
    let jar = request.inner().cookies();
    store.of(jar).start(&session).await.unwrap();
    held(jar)
}

async fn read(client: &Client, store: &dyn Sessions, held: &Held) -> Duration {
    let mut request = client.get("/");
    for (name, value) in held {
        request = request.private_cookie(Cookie::new(name.clone(), value.clone()));
    }
    let jar = request.inner().cookies();
    let start = Instant::now();
    let session = store.of(jar).current().await.unwrap();
    let time = start.elapsed();
    assert!(session.is_some());
    time
}

async fn measure(name: &str, client: &Client, store: &dyn Sessions) -> Vec<Held> {
    let mut people = Vec::with_capacity(PEOPLE);
    for number in 0..PEOPLE {
        people.push(sign_in(client, store, number).await);
    }
    report(name, client, store, &people).await;
    people
}

async fn report(name: &str, client: &Client, store: &dyn Sessions, people: &[Held]) {
    let mut times = Vec::with_capacity(people.len());
    // Far apart, one after the other: 7,919 is prime.
    for number in 0..people.len() {
        times.push(read(client, store, &people[number * 7_919 % people.len()]).await);
    }
    times.sort_unstable();
    let [median, high] = [50, 99].map(|percent| times[times.len() * percent / 100].as_micros());
    println!("{name:<42} {median:>6} µs median  {high:>6} µs 99th percentile");
}

#[rocket::main]
async fn main() {
    let figment = Figment::from(rocket::Config::debug_default())
        .merge(("secret_key", SECRET_KEY))
        .merge(("log_level", "off"));
    let client = Client::untracked(rocket::custom(figment)).await.unwrap();
    let key: KeyMaterial = SECRET_KEY.parse().unwrap();
    let (clock, chance) = (Arc::new(SystemClock), Arc::new(SystemRandomness));
    let open = |url: &str| Database::open(url, tls::client_config(None).unwrap()).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let sqlite = open(&format!("sqlite://{}", folder.path().join("portico.db").display()));
    sqlite.migrate().await.unwrap();
    let cookies = PrivateCookies::new(settings(), &sqlite, clock.clone(), chance.clone());
    measure("cookies", &client, &cookies).await;
    let in_sqlite =
        ServerSide::in_database(settings(), &key, &sqlite, clock.clone(), chance.clone());
    measure("SQLite, 10,000 sessions", &client, &in_sqlite).await;

    let server = Redis::start();
    let (now, random) = (clock.clone(), chance.clone());
    let in_redis =
        ServerSide::in_redis(settings(), &key, &server.url(), None, now, random).unwrap();
    measure("Redis, 10,000 sessions", &client, &in_redis).await;

    let server = Postgres::start();
    let postgres = open(&server.url());
    postgres.migrate().await.unwrap();
    let in_postgres =
        ServerSide::in_database(settings(), &key, &postgres, clock.clone(), chance.clone());
    let people = measure("PostgreSQL, 10,000 sessions", &client, &in_postgres).await;
    let (sql, connection) = tokio_postgres::connect(&server.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    // Other people's sessions, of the same size; nobody opens them.
    let more = "insert into sessions (key, person, sealed, expires_at) \
        select sha256(number::text::bytea), sha256(('person' || number)::bytea), sealed, expires_at \
        from generate_series(1, 990000) as number, (select * from sessions limit 1) as one; \
        analyze sessions";
    sql.batch_execute(more).await.unwrap();
    let all: i64 = sql.query_one("select count(*) from sessions", &[]).await.unwrap().get(0);
    assert_eq!(all, 1_000_000);
    report("PostgreSQL, 1,000,000 sessions", &client, &in_postgres, &people).await;
}
