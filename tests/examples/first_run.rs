//! Does what a newcomer does: runs the first command of README.md in an empty clone, follows the
//! guide over HTTP, and ends the site with Ctrl-C.
//!
//! `cargo run -p portico-tests --example first_run -- <folder of the clone>`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a program that fails with a message"
)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use http::StatusCode;
use portico_tests::http_browser::HttpBrowser;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    task::JoinHandle,
    time::timeout,
};
use url::Url;

/// Time for the command to build and start the site.
const START_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Time for the site to end after SIGINT.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// All that the command gets of our environment: what cargo needs, nothing that sets up Portico.
const ENVIRONMENT: [&str; 9] = [
    "HOME",
    "PATH",
    "USER",
    "TMPDIR",
    "CARGO_HOME",
    "CARGO_TARGET_DIR",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "CARGO_TERM_COLOR",
];

/// The commands in README.md's table, without its other rows.
fn readme_commands(clone: &Path) -> Vec<String> {
    let readme = fs::read_to_string(clone.join("README.md")).expect("README.md");
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `cargo "));
    rows.filter_map(|row| Some(format!("cargo {}", row.split_once("` |")?.0))).collect()
}

fn start(clone: &Path, command: &str) -> Child {
    let words: Vec<_> = command.split(' ').collect();
    let kept = ENVIRONMENT.iter().filter_map(|name| Some((*name, env::var_os(name)?)));
    Command::new(words[0])
        .args(&words[1..])
        .current_dir(clone)
        .env_clear()
        .envs(kept)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{command}: {error}"))
}

/// Reads to the end, and prints each line.
fn collect(output: impl AsyncRead + Unpin + Send + 'static) -> JoinHandle<Vec<String>> {
    tokio::spawn(async move {
        let (mut lines, mut collected) = (BufReader::new(output).lines(), Vec::new());
        while let Some(line) = lines.next_line().await.expect("output of the command") {
            println!("  {line}");
            collected.push(line);
        }
        collected
    })
}

async fn follow_the_guide(site: &Url) {
    for (email, admin_status) in
        [("user@example.com", StatusCode::FORBIDDEN), ("admin@example.com", StatusCode::OK)]
    {
        let browser = HttpBrowser::new(site.clone());
        let home = browser.visit("/").await;
        assert_eq!(home.status, StatusCode::OK);
        let form = browser.click(&home, "Log In").await;
        let fields = [("Email", email), ("Password", "portico")];
        let profile = browser.submit(&form, "Log In", &fields).await;
        assert_eq!((profile.status, profile.url.path()), (StatusCode::OK, "/profile"));
        assert!(profile.text().contains(email), "{}", profile.text());
        let protected = browser.visit("/protected").await;
        assert_eq!(protected.status, StatusCode::OK);
        assert!(protected.text().contains("This is a protected message."));
        let admin = browser.visit("/admin").await;
        assert_eq!(admin.status, admin_status, "{}", admin.text());
        let expected = match admin_status {
            StatusCode::OK => "This is an admin message.",
            _ => "Permission denied",
        };
        assert!(admin.text().contains(expected), "{}", admin.text());
        let goodbye = browser.submit(&admin, "Log Out", &[]).await;
        assert_eq!((goodbye.status, goodbye.url.path()), (StatusCode::OK, "/"));
        let profile = browser.get("/profile").await;
        assert_eq!(profile.status, StatusCode::SEE_OTHER, "the profile asks to log in again");
        println!("== {email}: the guide works");
    }
}

#[tokio::main]
async fn main() {
    let clone = PathBuf::from(env::args_os().nth(1).expect("usage: first_run FOLDER"));
    let commands = readme_commands(&clone);
    let [run, _] = &commands[..] else { panic!("two commands in README.md, not {commands:?}") };
    println!("== {run}");
    let started_at = Instant::now();
    let mut site = start(&clone, run);
    let pid = site.id().expect("a running command").to_string();
    let errors = collect(site.stderr.take().expect("its error output"));
    let mut lines = BufReader::new(site.stdout.take().expect("its output")).lines();
    let address = timeout(START_TIMEOUT, async {
        while let Some(line) = lines.next_line().await.expect("output of the command") {
            println!("  {line}");
            if let Some(address) = line.strip_prefix("Portico is at ") {
                return Url::parse(address).expect("the address that it prints");
            }
        }
        panic!("{run} ended without printing an address")
    });
    let address = address.await.expect("the site starts in time");
    println!("== first page after {} s", started_at.elapsed().as_secs());
    follow_the_guide(&address).await;

    let killed = Command::new("kill").args(["-INT", &pid]).status().await.expect("kill");
    assert!(killed.success());
    let status = timeout(STOP_TIMEOUT, site.wait()).await.expect("it ends in time").unwrap();
    assert_eq!(status.code(), Some(0), "exit code after SIGINT");
    for line in errors.await.unwrap() {
        let is_bad = [" WARN ", " ERROR ", "panicked"].iter().any(|word| line.contains(word));
        assert!(!is_bad, "a newcomer must wonder about: {line}");
    }
    println!("== it ends with exit code 0, without a warning");
}
