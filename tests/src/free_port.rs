//! Ports for the servers that tests start.

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::atomic::{AtomicU16, Ordering},
};

/// Below the ports that the system hands to outgoing connections: one of those could take a
/// server's port while the server is stopped, and a client that knocks there could even meet
/// itself.
const FIRST: u16 = 10_000;
const PORTS: u16 = 20_000;

static HANDED_OUT: AtomicU16 = AtomicU16::new(0);

/// A free port on loopback. No port is returned twice in one process.
///
/// # Panics
/// When the machine has no port left.
#[must_use]
pub fn free_port() -> u16 {
    // Other test processes begin elsewhere.
    let start = u16::try_from(std::process::id().wrapping_mul(101) % u32::from(PORTS)).unwrap_or(0);
    (0..PORTS)
        .map(|_| HANDED_OUT.fetch_add(1, Ordering::Relaxed))
        .map(|count| FIRST + (start + count % PORTS) % PORTS)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a free port on 127.0.0.1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_is_free_and_handed_out_once() {
        let (one, other) = (free_port(), free_port());
        assert_ne!(one, other);
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, one)).is_ok());
    }
}
