//! Measures the memory that log-ins leave in the process. After `cargo build --release`:
//! `cargo run --release -p portico-tests --example memory_of_logins -- 100000 cookie`.
//!
//! Starts the site in its own process, logs that many users in, each in a new browser, and prints the
//! resident memory of the site before, between and after.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program that prints figures")]

use std::{
    fs,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use portico_tests::{
    free_port::free_port,
    http_browser::HttpBrowser,
    site::{log_in, servers_for, settings},
};
use reqwest::{Client, Response, header, redirect::Policy};
use tokio::task::JoinSet;
use url::Url;

/// Number of simultaneous log-ins.
const AT_ONCE: usize = 4;

/// Ends the process when it is dropped.
struct Site(Child);

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Site {
    /// Resident memory in KiB.
    fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

fn location(response: &Response) -> String {
    response.headers()[header::LOCATION].to_str().unwrap().to_owned()
}

fn cookies(response: &Response) -> String {
    let lines = response.headers().get_all(header::SET_COOKIE).iter();
    let pairs = lines.map(|line| line.to_str().unwrap().split(';').next().unwrap());
    pairs.collect::<Vec<_>>().join("; ")
}

/// One log-in in a new browser, by a user with a session at the provider.
async fn sign_in(http: &Client, site: &Url, at_provider: &str) {
    let login = http.get(site.join("/login").unwrap()).send().await.unwrap();
    let attempt = cookies(&login);
    let authorize = http.get(location(&login)).header(header::COOKIE, at_provider);
    let callback = location(&authorize.send().await.unwrap());
    let done = http.get(callback).header(header::COOKIE, attempt).send().await.unwrap();
    assert!(location(&done).ends_with("/profile"), "{}", location(&done));
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let logins: usize = arguments.next().map_or(100_000, |count| count.parse().unwrap());
    let store = arguments.next().unwrap_or_else(|| "cookie".into());
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let url = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
    let servers = servers_for(&url).await;
    let particular = [
        ("SESSION_STORE", store.clone()),
        ("ROCKET_LOG_LEVEL", "off".into()),
        ("ROCKET_TEMPLATE_DIR", portico_tests::site::templates().display().to_string()),
    ];
    let program = std::env::current_exe().unwrap().parent().unwrap().join("../portico");
    let site = Command::new(program)
        .envs(settings(port, folder.path(), &servers, &particular))
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let site = Site(site.unwrap());
    let browser = HttpBrowser::new(url.clone());
    let tls = portico_adapters::tls::client_config(None).unwrap();
    let http =
        Client::builder().tls_backend_preconfigured(tls).redirect(Policy::none()).build().unwrap();
    while http.get(url.join("/health/live").unwrap()).send().await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    log_in(&browser, "/login", "user@example.com").await;
    let at_provider = Arc::new(browser.cookies().unwrap());

    println!("{store}: before {} MiB", site.memory() / 1024);
    let (start, done) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let mut browsers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (http, url, done) = (http.clone(), url.clone(), done.clone());
        let at_provider = at_provider.clone();
        browsers.spawn(async move {
            while done.fetch_add(1, Ordering::SeqCst) < logins {
                sign_in(&http, &url, &at_provider).await;
            }
        });
    }
    let mut shown = 0;
    while !browsers.is_empty() {
        tokio::select! {
            ended = browsers.join_next() => ended.unwrap().unwrap(),
            () = tokio::time::sleep(std::time::Duration::from_secs(1)) => {}
        }
        let so_far = done.load(Ordering::SeqCst) * 10 / logins;
        if so_far > shown {
            shown = so_far;
            let seconds = start.elapsed().as_secs();
            println!("{store}: after {so_far}0 % {} MiB, {seconds} s", site.memory() / 1024);
        }
    }
}
