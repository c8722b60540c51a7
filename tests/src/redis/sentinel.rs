//! Redis with Sentinels to throw away.

use super::node::{Node, until};
use crate::certificate::Certificate;

const SENTINELS: usize = 3;

/// The name under which the Sentinels know the master.
const SERVICE: &str = "portico";

const CONFIGURATION: &str = "save ''\nrepl-diskless-sync-delay 0\n";

/// A master with a replica, and three Sentinels that watch them, on loopback. They keep nothing on
/// disk but their configuration.
pub struct RedisWithSentinels {
    master: Node,
    _replica: Node,
    sentinels: Vec<Node>,
}

/// A Sentinel on loopback, and a master on another machine that does not exist (192.0.2.0/24 is
/// reserved for examples, RFC 5737).
pub struct RemoteMaster {
    sentinel: Node,
}

impl RemoteMaster {
    /// Starts the Sentinel.
    ///
    /// # Panics
    /// When the program is missing, or does not answer in time.
    #[must_use]
    pub fn start() -> Self {
        let configuration = format!("sentinel monitor {SERVICE} 192.0.2.1 6379 1\n");
        Self { sentinel: Node::start(&configuration) }
    }

    /// The address of the service.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/{SERVICE}", self.sentinel.port())
    }
}

/// A master and a Sentinel, both with TLS and users of their own.
pub struct RedisWithTlsSentinel {
    _master: Node,
    sentinel: Node,
}

impl RedisWithTlsSentinel {
    /// Starts them. The master lets in this user only, the Sentinel a user of the same name with the
    /// other password.
    ///
    /// # Panics
    /// When a program is missing, or does not answer in time.
    #[must_use]
    pub fn start(certificate: &Certificate, user: &str, password: &str, sentinel: &str) -> Self {
        let of_master = format!("{CONFIGURATION}user {user} on >{password} ~* &* +@all\n");
        let master = Node::start_with_tls(&of_master, certificate);
        let of_sentinel = format!(
            "user {user} on >{sentinel} ~* &* +@all\n\
             sentinel monitor {SERVICE} 127.0.0.1 {} 1\n\
             sentinel auth-user {SERVICE} {user}\nsentinel auth-pass {SERVICE} {password}\n",
            master.port()
        );
        let sentinel = Node::start_with_tls(&of_sentinel, certificate);
        until("the Sentinel sees the master", || {
            sentinel.ask(&["INFO", "sentinel"]).contains("status=ok,")
        });
        for node in [&master, &sentinel] {
            node.require_password();
        }
        Self { _master: master, sentinel }
    }

    /// The Sentinel and the service: what follows user and password in an address.
    #[must_use]
    pub fn service(&self) -> String {
        format!("127.0.0.1:{}/{SERVICE}", self.sentinel.port())
    }
}

impl RedisWithSentinels {
    /// Starts the servers, and waits until the Sentinels know each other and the replica.
    ///
    /// # Panics
    /// When the program is missing, or the servers are not ready in time.
    pub fn start() -> Self {
        let master = Node::start(CONFIGURATION);
        let replicaof = format!("{CONFIGURATION}replicaof 127.0.0.1 {}\n", master.port());
        let replica = Node::start(&replicaof);
        until("the replica follows its master", || {
            replica.ask(&["INFO", "replication"]).contains("master_link_status:up")
        });
        // Short, so that a failover takes a few seconds.
        let configuration = format!(
            "sentinel monitor {SERVICE} 127.0.0.1 {} 2\n\
             sentinel down-after-milliseconds {SERVICE} 2000\n\
             sentinel failover-timeout {SERVICE} 5000\n",
            master.port()
        );
        let sentinels: Vec<Node> = (0..SENTINELS).map(|_| Node::start(&configuration)).collect();
        for sentinel in &sentinels {
            until("the Sentinels know each other and the replica", || {
                sentinel.ask(&["INFO", "sentinel"]).contains("status=ok,")
                    && sentinel.ask(&["INFO", "sentinel"]).contains("slaves=1,sentinels=3")
            });
        }
        Self { master, _replica: replica, sentinels }
    }

    /// The address of the service.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts = self.sentinels.iter().map(|node| format!("127.0.0.1:{}", node.port()));
        format!("redis+sentinel://{}/{SERVICE}", hosts.collect::<Vec<_>>().join(","))
    }

    /// Deletes all keys.
    ///
    /// # Panics
    /// When the master is down.
    pub fn clear(&self) {
        self.master.ask(&["FLUSHALL"]);
    }

    /// Kills the master, once the replica has all writes up to now.
    ///
    /// # Panics
    /// When the replica lags behind for seconds.
    pub fn kill_master(&mut self) {
        self.master.replicate();
        self.master.kill();
    }
}
