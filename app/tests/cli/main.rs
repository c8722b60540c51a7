//! The command line, tested as a process.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

mod check;
mod commands;
mod files;
mod outputs;
mod serve;

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output},
    time::{Duration, Instant},
};

use portico::config::Settings;
use portico_adapters::users::diesel_users;
use portico_domain::model::{Permissions, Profile, Subject};
use tempfile::TempDir;

/// The program in a folder of its own, with the settings of the test only.
fn portico(folder: &TempDir, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portico"));
    command.current_dir(folder).env_clear().args(arguments).envs(settings.iter().copied());
    command
}

fn run(folder: &TempDir, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    portico(folder, arguments, settings).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[cfg(unix)]
fn assert_owner_only(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[cfg(not(unix))]
fn assert_owner_only(_: &Path) {}

/// Adds a user of `https://id.example` to the folder's database.
fn add_user(folder: &TempDir, subject: &str) {
    add_user_with(folder, subject, None);
}

/// Adds a user who may do this.
fn add_user_with(folder: &TempDir, subject: &str, permissions: Option<&Permissions>) {
    let url = format!("sqlite://{}", folder.path().join("portico.db").display());
    let settings = Settings::from_pairs([("ROCKET_PROFILE", "debug"), ("DATABASE_URL", &url)]);
    let database = portico::open_database(&settings.unwrap()).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        database.migrate().await.unwrap();
        let user = Subject::new("https://id.example", subject);
        let now = std::time::SystemTime::UNIX_EPOCH.into();
        let users = diesel_users(&database);
        users.record_login(&user, &Profile::default(), now).await.unwrap();
        if let Some(permissions) = permissions {
            users.record_permissions(&user, permissions).await.unwrap();
        }
    });
}

/// Kills the program when the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that was free just now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The status line of `GET /`. `None` while no process listens on the port.
fn get(port: u16) -> Option<String> {
    get_page(port, "/")
}

/// The status line of the page. `None` while no process listens on the port, or without a response.
fn get_page(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    (!line.is_empty()).then_some(line)
}

/// Waits until the site responds, and returns its status line.
fn get_when_ready(port: u16) -> String {
    let start = Instant::now();
    loop {
        if let Some(line) = get(port) {
            return line;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "no response on port {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends the signal that Ctrl-C sends.
#[cfg(unix)]
fn interrupt(child: &Child) {
    let kill = Command::new("sh").arg("-c").arg(format!("kill -INT {}", child.id())).status();
    assert!(kill.unwrap().success());
}

/// The only line on standard error of a command that failed with exit code 1.
fn only_error(output: &Output) -> String {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    stderr
}

/// Why a command failed: its only line on standard error, or the report of `check`.
fn explanation(output: &Output) -> String {
    let stdout = text(&output.stdout);
    if stdout.contains(" FAIL ") { stdout } else { only_error(output) }
}

fn is_empty(folder: &TempDir) -> bool {
    folder.path().read_dir().unwrap().next().is_none()
}

#[cfg(target_os = "linux")]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
