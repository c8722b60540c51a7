//! Measures the session stores with 10, 10,000 and 1,000,000 sessions, or as many as the arguments say:
//! `cargo run --release -p portico-tests --example session_figures`.
//!
//! Prints, as rows of Markdown tables, the time to read a session while nothing else happens, and
//! while expired sessions are swept and sessions are revoked; the time of the other operations; and
//! as a probe of the machine itself the time of a fixed amount of work. Times are in milliseconds;
//! each figure is the median over the rounds. The cookies are opened each time, as for a request, but no
//! socket of the site is involved. Needs PostgreSQL, Redis, 4 GB of memory and 4 GB of disk.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program that prints figures")]

mod setup;

use std::{
    collections::BTreeMap,
    hint::black_box,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use portico_adapters::{
    system::{SystemClock, SystemRandomness},
    testing::Browser,
};
use portico_contracts::fixtures;
use portico_domain::{
    model::{Revocation, Session, SessionId, Subject},
    ports::{Clock, Randomness, SessionStore},
};
use rocket::http::Cookie;

use self::setup::{Kind, Server, Store};

const SIZES: [usize; 3] = [10, 10_000, 1_000_000];
const ROUNDS: usize = 3;
/// Reads in each part of a round.
const READS: usize = 400;
/// Log-ins, lists, log-outs and revocations in each round.
const VISITS: usize = 50;
/// Sessions that are read; all others are only there.
const READ_SESSIONS: usize = 1_000;

/// Steps of the probe.
const PROBE: u64 = 100_000;

/// The cookies of one browser.
type Cookies = BTreeMap<String, Cookie<'static>>;

/// The median and the 99th percentile of some times.
#[derive(Clone, Copy)]
struct Figures {
    median: Duration,
    high: Duration,
}

impl Figures {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self { median: times[times.len() / 2], high: times[times.len() * 99 / 100] }
    }

    /// The medians over the rounds.
    fn over(rounds: &[Self]) -> Self {
        let median = |times: Vec<Duration>| Self::of(times).median;
        Self {
            median: median(rounds.iter().map(|round| round.median).collect()),
            high: median(rounds.iter().map(|round| round.high).collect()),
        }
    }

    fn cells(self) -> String {
        format!("{} | {}", milliseconds(self.median), milliseconds(self.high))
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1_000.0)
}

/// What one round measures, in the order of the printed columns.
#[derive(Default)]
struct Rounds {
    probe: Vec<Figures>,
    quiet: Vec<Figures>,
    busy: Vec<Figures>,
    log_in: Vec<Figures>,
    list: Vec<Figures>,
    log_out: Vec<Figures>,
    revoke: Vec<Figures>,
    sweep: Vec<Figures>,
}

fn session_of(user: &str) -> Session {
    let id = SessionId::new(SystemRandomness.bytes().unwrap());
    let mut session = Session { id, ..fixtures::session_at(SystemClock.now()) };
    session.identity.subject = Subject::new(fixtures::ISSUER, user);
    session.identity.provider_session_id = Some(format!("sid of {user}"));
    session
}

async fn start(browser: &Browser, user: &str) -> (Session, Cookies) {
    let session = session_of(user);
    browser.put_back(Cookies::new());
    browser.start(&session).await.unwrap();
    (session, browser.copy())
}

/// Reads sessions that are far from each other, and none twice in a row.
/// Returns the times of the reads, and of a probe before each.
async fn read(browser: &Browser, sessions: &[Cookies]) -> [Figures; 2] {
    let mut times = Vec::with_capacity(READS);
    let mut probes = Vec::with_capacity(READS);
    for number in 0..READS {
        browser.put_back(sessions[number * 7_919 % sessions.len()].clone());
        probes.push(probe());
        let time = browser.request(|visitor| {
            Box::pin(async move {
                let start = Instant::now();
                assert!(visitor.session.current().await.unwrap().is_some());
                start.elapsed()
            })
        });
        times.push(time.await);
    }
    [times, probes].map(Figures::of)
}

/// Reads while a sweep deletes expired rows and sessions are revoked one after the other.
async fn read_while_busy(
    store: &Store,
    server: &Server,
    browser: &Browser,
    sessions: &[Cookies],
    rounds: &mut Rounds,
) {
    let mut victims = Vec::new();
    for number in 0..VISITS {
        victims.push(start(browser, &format!("victim-{number}")).await.0);
    }
    server.add_expired().await;
    let is_over = AtomicBool::new(false);
    let sweep = async {
        let start = Instant::now();
        store.sweep().await;
        start.elapsed()
    };
    let revoke = async {
        let mut times = Vec::new();
        for session in victims.iter().cycle() {
            if times.len() >= VISITS && is_over.load(Ordering::Relaxed) {
                break;
            }
            let subject = session.subject().clone();
            let start = Instant::now();
            let revocation = Revocation::User { subject, except: None };
            store.registry.revoke(&revocation).await.unwrap();
            times.push(start.elapsed());
            tokio::task::yield_now().await;
        }
        times
    };
    let reads = async {
        let figures = read(browser, sessions).await;
        is_over.store(true, Ordering::Relaxed);
        figures
    };
    let ([figures, _], swept, revoked) = tokio::join!(reads, sweep, revoke);
    rounds.busy.push(figures);
    rounds.sweep.push(Figures::of(vec![swept]));
    rounds.revoke.push(Figures::of(revoked));
}

/// Log-ins, lists and log-outs.
async fn visit(store: &Store, browser: &Browser, rounds: &mut Rounds) {
    let [mut log_ins, mut lists, mut log_outs] = [const { Vec::new() }; 3];
    for number in 0..VISITS {
        let session = session_of(&format!("visitor-{number}"));
        let (subject, profile) = (session.subject().clone(), session.identity.profile());
        browser.put_back(Cookies::new());
        let begin = Instant::now();
        store.users.record_login(&subject, &profile, SystemClock.now()).await.unwrap();
        browser.start(&session).await.unwrap();
        log_ins.push(begin.elapsed());
        let begin = Instant::now();
        store.registry.list(&subject).await.unwrap();
        lists.push(begin.elapsed());
        let begin = Instant::now();
        browser.end().await.unwrap();
        log_outs.push(begin.elapsed());
    }
    rounds.log_in.push(Figures::of(log_ins));
    rounds.list.push(Figures::of(lists));
    rounds.log_out.push(Figures::of(log_outs));
}

/// A fixed amount of work on one processor, about as long as a read. What it takes beyond its median
/// is what other processes of the machine take away.
fn probe() -> Duration {
    let start = Instant::now();
    let mut sum = 0_u64;
    for number in 0..PROBE {
        sum = black_box(sum.wrapping_mul(31).wrapping_add(number));
    }
    start.elapsed()
}

#[rocket::main]
async fn main() {
    // First, because Rocket would install its own logger.
    portico::logging::start(Some("off"));
    println!("| store | sessions | probe | p99 | read | p99 | read while busy | p99 |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let sizes: Vec<usize> = std::env::args().skip(1).map(|size| size.parse().unwrap()).collect();
    let sizes = if sizes.is_empty() { SIZES.to_vec() } else { sizes };
    let mut others = Vec::new();
    for kind in Kind::ALL {
        let mut server = Server::start(kind).await;
        let mut sessions = Vec::new();
        for &size in &sizes {
            let browser = server.store().browser().await;
            while sessions.len() < size.min(READ_SESSIONS) {
                sessions.push(start(&browser, &format!("user-{}", sessions.len())).await.1);
            }
            server.fill(size - sessions.len()).await;
            // A process that starts now.
            let store = server.store();
            store.registry.check().await.unwrap();
            let browser = store.browser().await;
            let mut rounds = Rounds::default();
            for _ in 0..ROUNDS {
                let [quiet, probe] = read(&browser, &sessions).await;
                rounds.probe.push(probe);
                rounds.quiet.push(quiet);
                read_while_busy(&store, &server, &browser, &sessions, &mut rounds).await;
                visit(&store, &browser, &mut rounds).await;
            }
            let [probe, quiet, busy] = [&rounds.probe, &rounds.quiet, &rounds.busy]
                .map(|rounds| Figures::over(rounds).cells());
            println!("| {kind} | {size} | {probe} | {quiet} | {busy} |");
            let medians =
                [&rounds.log_in, &rounds.list, &rounds.log_out, &rounds.revoke, &rounds.sweep]
                    .map(|rounds| milliseconds(Figures::over(rounds).median));
            others.push(format!("| {kind} | {size} | {} |", medians.join(" | ")));
        }
    }
    println!("\n| store | sessions | log-in | list | log-out | revoke one user | sweep |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    others.iter().for_each(|line| println!("{line}"));
}
