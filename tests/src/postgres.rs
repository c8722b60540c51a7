//! A PostgreSQL server to throw away.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test whose server is missing fails")]

mod replicated;

use std::{
    fs, io,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use portico_contracts::{ReadOnly, Server};
use tempfile::TempDir;
use tokio_postgres::NoTls;

pub use self::replicated::ReplicatedPostgres;
use crate::{free_port::free_port, tools};

/// How long a server may take to start or to stop.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A server of its own, in a temporary folder and on a free port; stopped and removed when
/// dropped.
pub struct Postgres {
    folder: TempDir,
    port: u16,
    account: Option<Account>,
    server: Option<Child>,
}

/// Whom the server runs as where the tests run as root, which PostgreSQL refuses.
#[derive(Clone, Copy)]
pub(crate) struct Account {
    pub(crate) user: u32,
    pub(crate) group: u32,
}

impl Postgres {
    /// Makes a data folder with `initdb` and starts `postgres` on it.
    ///
    /// # Panics
    /// When the programs are missing, or the server does not answer within a minute.
    pub fn start() -> Self {
        let mut postgres = Self::without_data();
        let made = postgres
            .command("initdb")
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"])
            .arg("--no-sync")
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        postgres.launch();
        postgres
    }

    /// A folder and a port, but no data and no server yet.
    fn without_data() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let account = (folder.path().metadata().unwrap().uid() == 0).then(account);
        if let Some(account) = account {
            chown(folder.path(), Some(account.user), Some(account.group)).unwrap();
        }
        Self { folder, port: free_port(), account, server: None }
    }

    /// Where it is: a superuser without a password, over TCP on loopback.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Its port on loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL as the superuser.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn run(&self, sql: &str) {
        run(&self.url(), sql).unwrap();
    }

    /// Whom programs run as that refuse to run as root; `None` where the tests do not.
    pub(crate) fn account(&self) -> Option<Account> {
        self.account
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(found(program));
        command.arg("-D").arg(self.folder.path().join("data")).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        if let Some(account) = self.account {
            command.uid(account.user).gid(account.group);
        }
        command
    }

    /// Stops the server, which disconnects all clients, and waits until it has stopped.
    fn halt(&mut self) {
        // Without waiting for those who are connected.
        self.end("INT");
    }

    /// Ends the server at once: it hands nothing over to a standby.
    fn kill(&mut self) {
        self.end("QUIT");
    }

    fn end(&mut self, signal: &str) {
        let Some(mut server) = self.server.take() else { return };
        let signal = format!("kill -{signal} {}", server.id());
        let requested = Command::new("sh").args(["-c", &signal]).status();
        let start = Instant::now();
        while matches!(server.try_wait(), Ok(None)) {
            if requested.is_err() || start.elapsed() > TIMEOUT {
                let _ = server.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts the server on the same port and the same data, and waits until it answers.
    fn launch(&mut self) {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let server = self
            .command("postgres")
            .args(["-F", "-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1", "-k"])
            .arg(self.folder.path())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = self.server.insert(server);
        let start = Instant::now();
        while !answers(self.port).unwrap_or(false) {
            let over = start.elapsed() > TIMEOUT || server.try_wait().unwrap().is_some();
            let log = self.folder.path().join("log");
            assert!(!over, "postgres: {}", fs::read_to_string(log).unwrap_or_default());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Postgres {
    /// Waits until all processes of the server have read the change.
    async fn set_read_only(&self, value: &str) {
        self.run(&format!("alter system set default_transaction_read_only = {value}"));
        self.run("select pg_reload_conf()");
        let start = Instant::now();
        let is_read_only = || run(&self.url(), "create table t(); drop table t").is_err();
        while is_read_only() != (value == "on") {
            assert!(start.elapsed() < TIMEOUT, "the server stays as it was");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Each transaction is read-only, as on a replica.
#[async_trait]
impl ReadOnly for Postgres {
    async fn refuse_writes(&mut self) {
        self.set_read_only("on").await;
    }

    async fn accept_writes(&mut self) -> bool {
        self.set_read_only("off").await;
        true
    }
}

#[async_trait]
impl Server for Postgres {
    async fn stop(&mut self) {
        self.halt();
    }

    async fn start_again(&mut self) {
        self.launch();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.halt();
    }
}

/// Whether a server accepts clients: `R`, a request to authenticate, is its first word then, and
/// `E` while it is still starting (PostgreSQL, Message Formats).
fn answers(port: u16) -> io::Result<bool> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    connection.set_read_timeout(Some(Duration::from_secs(1)))?;
    connection.write_all(b"\0\0\0\x17\0\x03\0\0user\0postgres\0\0")?;
    let mut word = [0];
    connection.read_exact(&mut word)?;
    Ok(word == *b"R")
}

fn found(program: &str) -> PathBuf {
    let found = tools::find(&[program]);
    found.unwrap_or_else(|| panic!("{program} is missing: apt-get install postgresql"))
}

/// `postgres` where there is such an account, else `nobody`.
fn account() -> Account {
    let accounts = fs::read_to_string("/etc/passwd").unwrap();
    let numbers = |name: &str| {
        let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2).map(str::parse);
        Some(Account { user: numbers.next()?.ok()?, group: numbers.next()?.ok()? })
    };
    numbers("postgres").or_else(|| numbers("nobody")).unwrap()
}

/// An empty schema on a server that tests share while they run, or on `TEST_DATABASE_URL`.
pub struct Schema {
    url: String,
    name: String,
    /// Absent on `TEST_DATABASE_URL`; else it goes when the last schema is gone.
    _server: Option<Arc<Postgres>>,
}

impl Schema {
    /// Makes a schema that no other test uses; dropped when this is.
    ///
    /// # Panics
    /// When the server is out of reach, or refuses.
    pub fn fresh() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("portico_test_{}_{number}", std::process::id());
        let (url, server) = match std::env::var("TEST_DATABASE_URL") {
            Ok(url) => (url, None),
            Err(_) => {
                let server = shared();
                (server.url(), Some(server))
            }
        };
        run(&url, &format!("create schema {name}")).unwrap();
        Self { url, name, _server: server }
    }

    /// The address with which this schema is all that is seen.
    pub fn url(&self) -> String {
        let separator = if self.url.contains('?') { '&' } else { '?' };
        format!("{}{separator}options=-csearch_path%3D{}", self.url, self.name)
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let _ = run(&self.url, &format!("drop schema {} cascade", self.name));
    }
}

/// Not a static server: that would never be dropped, and outlive the tests.
fn shared() -> Arc<Postgres> {
    static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(Postgres::start());
        *shared = Arc::downgrade(&server);
        server
    })
}

/// Runs SQL from a thread of its own, because dropping cannot wait for a future.
fn run(url: &str, sql: &str) -> Result<(), tokio_postgres::Error> {
    let work = async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        let connection = tokio::spawn(connection);
        let done = client.batch_execute(sql).await;
        drop(client);
        let _ = connection.await;
        done
    };
    std::thread::scope(|scope| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        scope.spawn(move || runtime.block_on(work)).join().unwrap()
    })
}
