//! Temporary Redis servers: a single one, a cluster, and a master with Sentinels.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test whose server is missing fails")]

mod cluster;
mod node;
mod sentinel;

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use portico_contracts::{ReadOnly, Server};
use tempfile::TempDir;

pub use self::{
    cluster::RedisCluster,
    sentinel::{RedisWithSentinels, RedisWithTlsSentinel, RemoteMaster},
};
use crate::{free_port::free_port, tools};

/// Time limit for the start of the server.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A server of its own, in a temporary folder and on a free port; stopped and removed when
/// dropped. It keeps nothing on disk.
pub struct Redis {
    port: u16,
    password: Option<&'static str>,
    server: Option<Child>,
    folder: TempDir,
}

impl Redis {
    /// Starts the server, and waits until it answers.
    ///
    /// # Panics
    /// When the program is missing, or does not answer within a minute.
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// Starts a server that requires a password.
    ///
    /// # Panics
    /// When the program is missing, or does not answer within a minute.
    pub fn with_password(password: &'static str) -> Self {
        Self::start_with(Some(password))
    }

    fn start_with(password: Option<&'static str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut redis = Self { port: free_port(), password, server: None, folder };
        redis.launch();
        redis
    }

    /// Its address, over TCP on loopback.
    pub fn url(&self) -> String {
        let password = self.password.map(|password| format!(":{password}@")).unwrap_or_default();
        format!("redis://{password}127.0.0.1:{}", self.port)
    }

    /// Its port on loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A dump of all its data.
    ///
    /// # Panics
    /// When the server is down, or requires a password.
    pub fn dump(&self) -> Vec<u8> {
        assert_eq!(self.reply("SAVE").as_deref(), Some("+OK"));
        std::fs::read(self.folder.path().join("dump.rdb")).unwrap()
    }

    /// Number of keys.
    ///
    /// # Panics
    /// When the server is down, or requires a password.
    pub fn size(&self) -> usize {
        self.reply("DBSIZE").unwrap()[1..].parse().unwrap()
    }

    /// Changes a parameter of the running server.
    ///
    /// # Panics
    /// When the server is down, requires a password or refuses.
    pub fn set(&self, parameter: &str, value: &str) {
        let reply = self.reply(&format!("CONFIG SET {parameter} {value}"));
        assert_eq!(reply.as_deref(), Some("+OK"));
    }

    /// It is up when it answers, be it that it wants a password.
    fn answer(&self) -> Option<()> {
        let reply = self.reply("PING")?;
        (reply == "+PONG" || reply.starts_with("-NOAUTH")).then_some(())
    }

    /// The first line of its answer.
    fn reply(&self, command: &str) -> Option<String> {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
        connection.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        connection.write_all(format!("{command}\r\n").as_bytes()).ok()?;
        let mut line = String::new();
        BufReader::new(connection).read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned())
    }

    /// Stops the server, which loses its data and disconnects all clients.
    fn halt(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// Starts the server on the same port, and waits until it answers.
    fn launch(&mut self) {
        let program = tools::find(tools::REDIS)
            .unwrap_or_else(|| panic!("redis-server is missing: apt-get install redis-server"));
        let server = Command::new(program)
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", ""])
            .args(["--rdbcompression", "no"])
            .args(["--requirepass", self.password.unwrap_or_default()])
            .arg("--dir")
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.server = Some(server);
        let start = Instant::now();
        while self.answer().is_none() {
            let ended = |server: &mut Child| server.try_wait().unwrap().is_some();
            let over = start.elapsed() > TIMEOUT || self.server.as_mut().is_none_or(ended);
            assert!(!over, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// It becomes a replica of a server that is down.
#[async_trait]
impl ReadOnly for Redis {
    async fn refuse_writes(&mut self) {
        assert_eq!(self.reply("REPLICAOF 127.0.0.1 1").as_deref(), Some("+OK"));
    }

    async fn accept_writes(&mut self) -> bool {
        assert_eq!(self.reply("REPLICAOF NO ONE").as_deref(), Some("+OK"));
        true
    }
}

#[async_trait]
impl Server for Redis {
    async fn stop(&mut self) {
        self.halt();
    }

    async fn start_again(&mut self) {
        self.launch();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.halt();
    }
}
