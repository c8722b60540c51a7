//! Ports for the servers that tests start.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// A port on loopback that nobody listens on.
///
/// It is free when this returns, not for ever: a server that can take port 0 and say which one it
/// got should do that instead.
///
/// # Panics
/// When the machine has no port left.
#[must_use]
pub fn free_port() -> u16 {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .and_then(|listener| listener.local_addr())
        .expect("a free port on 127.0.0.1")
        .port()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_can_be_listened_on() {
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, free_port())).is_ok());
    }
}
