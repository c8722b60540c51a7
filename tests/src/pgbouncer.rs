//! A temporary PgBouncer.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    os::unix::{fs::chown, process::CommandExt},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{free_port::free_port, postgres::Postgres, tools};

/// Time limit for the start.
const TIMEOUT: Duration = Duration::from_secs(60);

/// PgBouncer in transaction mode. Stopped when dropped.
pub struct PgBouncer {
    port: u16,
    process: Child,
    _folder: TempDir,
}

impl PgBouncer {
    /// Starts it in front of a server, with so few server connections that clients share them.
    ///
    /// # Panics
    /// When the program is missing, or does not accept connections within a minute.
    pub fn before(server: &Postgres) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let settings = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={} user=postgres\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\npool_mode = transaction\ndefault_pool_size = 3\n\
             server_round_robin = 1\n",
            server.port(),
        );
        fs::write(&settings, text).unwrap();
        let program = tools::find(tools::PGBOUNCER)
            .unwrap_or_else(|| panic!("pgbouncer is missing: apt-get install pgbouncer"));
        let mut command = Command::new(program);
        command.arg("-q").arg(&settings).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::null());
        if let Some(account) = server.account() {
            chown(folder.path(), Some(account.user), Some(account.group)).unwrap();
            chown(&settings, Some(account.user), Some(account.group)).unwrap();
            command.uid(account.user).gid(account.group);
        }
        let mut process = command.spawn().unwrap();
        let start = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let over = start.elapsed() > TIMEOUT || process.try_wait().unwrap().is_some();
            assert!(!over, "pgbouncer does not accept connections");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { port, process, _folder: folder }
    }

    /// Its address: the superuser without a password, over TCP on loopback.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
