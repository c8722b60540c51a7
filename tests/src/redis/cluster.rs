//! A Redis Cluster to throw away.

use super::node::{Node, until};
use crate::{certificate::Certificate, free_port::free_port};

const MASTERS: usize = 3;
const SLOTS: usize = 16_384;

/// Short, so that a failover takes a few seconds.
const CONFIGURATION: &str = "save ''\n\
    cluster-enabled yes\n\
    cluster-config-file nodes.conf\n\
    cluster-node-timeout 2000\n\
    cluster-replica-validity-factor 0\n\
    repl-diskless-sync-delay 0\n";

/// Three masters with a replica each, on loopback. Only their identities are stored on disk.
pub struct RedisCluster {
    /// The masters, then their replicas in the same order.
    nodes: Vec<Node>,
}

impl RedisCluster {
    /// Starts the servers, and waits until the cluster accepts commands and all replicas follow.
    ///
    /// # Panics
    /// When the program is missing, or the cluster is not ready in time.
    pub fn start() -> Self {
        Self::start_nodes(Node::start)
    }

    /// The same with TLS; they let in nobody but this user.
    ///
    /// # Panics
    /// When a program is missing, or the cluster is not ready in time.
    pub fn start_with_tls(certificate: &Certificate, user: &str, password: &str) -> Self {
        let cluster = Self::start_nodes(|configuration| {
            let own = format!(
                "tls-cluster yes\nuser {user} on >{password} ~* &* +@all\n\
                 masteruser {user}\nmasterauth {password}\n{configuration}"
            );
            Node::start_with_tls(&own, certificate)
        });
        cluster.nodes.iter().for_each(Node::require_password);
        cluster
    }

    fn start_nodes(start_node: impl Fn(&str) -> Node) -> Self {
        let buses: Vec<u16> = (0..2 * MASTERS).map(|_| free_port()).collect();
        let start = |bus| start_node(&format!("{CONFIGURATION}cluster-port {bus}\n"));
        let nodes: Vec<Node> = buses.iter().map(start).collect();
        for (number, node) in nodes.iter().enumerate() {
            node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]);
        }
        for (number, master) in nodes[..MASTERS].iter().enumerate() {
            let first = number * SLOTS / MASTERS;
            let last = (number + 1) * SLOTS / MASTERS - 1;
            master.ask(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
        }
        for (node, bus) in nodes.iter().zip(&buses).skip(1) {
            let (port, bus) = (node.port().to_string(), bus.to_string());
            nodes[0].ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
        }
        let cluster = Self { nodes };
        cluster.until_all("cluster_known_nodes:6\r");
        let (masters, replicas) = cluster.nodes.split_at(MASTERS);
        for (master, replica) in masters.iter().zip(replicas) {
            replica.ask(&["CLUSTER", "REPLICATE", &master.ask(&["CLUSTER", "MYID"])]);
        }
        for replica in replicas {
            until("the replica follows its master", || {
                replica.ask(&["INFO", "replication"]).contains("master_link_status:up")
            });
        }
        cluster.until_all("cluster_state:ok");
        // A node votes for replicas only of masters that it knows to have some.
        for node in &cluster.nodes {
            until("all nodes know the replicas", || {
                node.ask(&["CLUSTER", "NODES"]).matches(" slave ").count()
                    + node.ask(&["CLUSTER", "NODES"]).matches("myself,slave ").count()
                    == MASTERS
            });
        }
        cluster
    }

    fn until_all(&self, line: &str) {
        for node in &self.nodes {
            until(line, || node.ask(&["CLUSTER", "INFO"]).contains(line));
        }
    }

    /// The address of two masters, from which clients find the others.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.hosts())
    }

    /// The hosts of [`RedisCluster::url`].
    #[must_use]
    pub fn hosts(&self) -> String {
        format!("127.0.0.1:{},127.0.0.1:{}", self.nodes[0].port(), self.nodes[1].port())
    }

    /// Deletes all keys.
    ///
    /// # Panics
    /// When a master is down.
    pub fn clear(&self) {
        for master in &self.nodes[..MASTERS] {
            master.ask(&["FLUSHALL"]);
        }
    }

    /// Kills the first master that has keys of this pattern, once the replicas have all writes up
    /// to now.
    ///
    /// # Panics
    /// When a replica lags behind for seconds, or no master has such a key.
    pub fn kill_master(&mut self, pattern: &str) {
        let masters = &mut self.nodes[..MASTERS];
        masters.iter().for_each(Node::replicate);
        // The length of the list.
        let has_keys = |node: &&mut Node| node.ask(&["KEYS", pattern]) != "0";
        masters.iter_mut().find(has_keys).expect("a master with such a key").kill();
    }
}
