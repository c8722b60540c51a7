//! A Redis server to throw away.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test whose server is missing fails")]

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{free_port::free_port, tools};

/// How long the server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server of its own, in a temporary folder and on a free port; stopped and removed when
/// dropped.
pub struct Redis {
    port: u16,
    server: Child,
    _folder: TempDir,
}

impl Redis {
    /// Starts the server, and waits until it answers.
    ///
    /// # Panics
    /// When the program is missing, or does not answer within a minute.
    pub fn start() -> Self {
        let program = tools::find(tools::REDIS)
            .unwrap_or_else(|| panic!("redis-server is missing: apt-get install redis-server"));
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let server = Command::new(program)
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""])
            .arg("--dir")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut redis = Self { port, server, _folder: folder };
        let begun = Instant::now();
        while redis.answer().is_none() {
            let over = begun.elapsed() > PATIENCE || redis.server.try_wait().unwrap().is_some();
            assert!(!over, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
        redis
    }

    /// Where it is: without a password, over TCP on loopback.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn answer(&self) -> Option<()> {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
        connection.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
        connection.write_all(b"PING\r\n").ok()?;
        let mut answer = [0; 5];
        connection.read_exact(&mut answer).ok()?;
        (answer == *b"+PONG").then_some(())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
