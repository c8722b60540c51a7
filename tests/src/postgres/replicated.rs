//! A PostgreSQL primary with a standby to throw away.

use std::time::Instant;

use super::{Postgres, TIMEOUT, run};

/// Fails until a standby confirms each commit.
const IS_SYNCHRONOUS: &str =
    "select 1 / count(*) from pg_stat_replication where sync_state = 'sync'";

/// A primary, and a standby that it streams to. A commit is acknowledged once the standby has it.
pub struct ReplicatedPostgres {
    primary: Postgres,
    standby: Postgres,
}

impl ReplicatedPostgres {
    /// Starts a primary, copies it with `pg_basebackup`, and starts the copy as its standby.
    ///
    /// # Panics
    /// When the programs are missing, or the servers are not ready in time.
    #[must_use]
    pub fn start() -> Self {
        let primary = Postgres::start();
        let mut standby = Postgres::without_data();
        let copied = standby
            .command("pg_basebackup")
            .args(["-h", "127.0.0.1", "-p", &primary.port().to_string(), "-U", "postgres"])
            .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"])
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&copied.stderr);
        assert!(copied.status.success(), "pg_basebackup: {error}");
        standby.launch();
        primary.run("alter system set synchronous_standby_names = '*'");
        primary.run("select pg_reload_conf()");
        let start = Instant::now();
        while run(&primary.url(), IS_SYNCHRONOUS).is_err() {
            assert!(start.elapsed() < TIMEOUT, "the standby does not follow");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Self { primary, standby }
    }

    /// The address of both: the standby first, which refuses writes.
    #[must_use]
    pub fn url(&self) -> String {
        let [standby, primary] = [self.standby.port(), self.primary.port()];
        format!(
            "postgres://postgres@127.0.0.1:{standby},127.0.0.1:{primary}/postgres\
             ?target_session_attrs=read-write"
        )
    }

    /// Kills the primary.
    pub fn kill_primary(&mut self) {
        self.primary.kill();
    }

    /// Makes the standby the primary, and waits until it is.
    ///
    /// # Panics
    /// When it cannot be promoted.
    pub fn promote_standby(&self) {
        self.standby.run("select pg_promote()");
    }
}
