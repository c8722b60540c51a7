//! One `redis-server`, as a member of a cluster or of a Sentinel set.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{certificate::Certificate, free_port::free_port, tools};

/// How long a condition of a server may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Time between two checks of a condition.
const INTERVAL: Duration = Duration::from_millis(10);

/// A server in a temporary folder and on a free port. Killed when dropped.
pub(super) struct Node {
    /// Without TLS, for the commands of the harness.
    port: u16,
    tls_port: Option<u16>,
    server: Child,
    _folder: TempDir,
}

impl Node {
    /// Starts `redis-server` with these lines as its configuration, as a Sentinel if they watch a
    /// master, and waits until it answers.
    pub(super) fn start(configuration: &str) -> Self {
        Self::start_on(configuration, None)
    }

    /// The same with one more port, on which it accepts TLS connections only.
    pub(super) fn start_with_tls(configuration: &str, certificate: &Certificate) -> Self {
        let port = free_port();
        let pem = certificate.certificate().display().to_string();
        let tls = format!(
            "tls-port {port}\ntls-cert-file {pem}\ntls-key-file {}\ntls-ca-cert-file {pem}\n\
             tls-auth-clients no\ntls-replication yes\n",
            certificate.key().display()
        );
        Self::start_on(&format!("{tls}{configuration}"), Some(port))
    }

    fn start_on(configuration: &str, tls_port: Option<u16>) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let file = folder.path().join("redis.conf");
        let own = format!("bind 127.0.0.1\nport {port}\ndir {}\n", folder.path().display());
        std::fs::write(&file, own + configuration).unwrap();
        let server = launch(&file, configuration.contains("sentinel monitor"));
        let node = Self { port, tls_port, server, _folder: folder };
        until("redis-server answers", || node.asked(&["PING"]).as_deref() == Some("PONG"));
        node
    }

    /// The port for clients.
    pub(super) fn port(&self) -> u16 {
        self.tls_port.unwrap_or(self.port)
    }

    /// Lets nobody in any more without a user's name and password: neither clients nor the harness.
    pub(super) fn require_password(&self) {
        self.ask(&["ACL", "SETUSER", "default", "off"]);
    }

    /// Kills the server, without giving it time to hand anything over.
    pub(super) fn kill(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }

    /// Waits until a replica of this master has all writes up to now.
    ///
    /// # Panics
    /// When none has them in time.
    pub(super) fn replicate(&self) {
        let written = field(&self.ask(&["INFO", "replication"]), "master_repl_offset:").unwrap();
        until("a replica has all writes", || {
            // `slave0:ip=127.0.0.1,port=6379,state=online,offset=1204,lag=0`
            let info = self.ask(&["INFO", "replication"]).replace(',', "\n");
            field(&info, "offset=").is_some_and(|offset| offset >= written)
        });
    }

    /// The response to a command.
    ///
    /// # Panics
    /// When the server is down or refuses.
    pub(super) fn ask(&self, command: &[&str]) -> String {
        let response = self.asked(command).unwrap_or_else(|| panic!("no answer to {command:?}"));
        assert!(!response.starts_with('-'), "{command:?}: {response}");
        response
    }

    /// The response as text: a line without its sign, unless it is an error, or a bulk string.
    /// `None` when the server is down.
    fn asked(&self, command: &[&str]) -> Option<String> {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
        connection.set_read_timeout(Some(TIMEOUT)).ok()?;
        connection.write_all(format!("{}\r\n", command.join(" ")).as_bytes()).ok()?;
        let mut reader = BufReader::new(connection);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end();
        match line.split_at_checked(1)? {
            ("$", length) => {
                let mut text = vec![0; length.parse().ok()?];
                reader.read_exact(&mut text).ok()?;
                String::from_utf8(text).ok()
            }
            ("-", _) => Some(line.to_owned()),
            (_, text) => Some(text.to_owned()),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

fn launch(file: &Path, sentinel: bool) -> Child {
    let program = tools::find(tools::REDIS)
        .unwrap_or_else(|| panic!("redis-server is missing: apt-get install redis-server"));
    let mut command = Command::new(program);
    command.arg(file);
    if sentinel {
        command.arg("--sentinel");
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}

/// Waits until the condition holds.
///
/// # Panics
/// When it does not hold in time.
pub(super) fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < TIMEOUT, "{what}: not in time");
        std::thread::sleep(INTERVAL);
    }
}
