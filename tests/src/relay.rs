//! A TCP relay on loopback that can let connections die without a reset, or forward slowly.

use std::{io, net::Ipv4Addr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::watch,
    task::JoinHandle,
    time::sleep,
};

/// Size of the pieces of a slow relay, in bytes. A compressed page has several thousand.
const SLOW_PIECE: usize = 400;

/// Time between two pieces: more than a frame of the browser, which then shows what has come.
const SLOW_PAUSE: Duration = Duration::from_millis(60);

/// Forwards connections to a server until it is dropped.
pub struct Relay {
    port: u16,
    /// Connections up to this number are silent.
    silent: watch::Sender<u64>,
    opened: watch::Receiver<u64>,
    work: JoinHandle<()>,
}

impl Relay {
    /// Listens on a free port of loopback and forwards to this port of it.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn to(server: u16) -> Self {
        Self::start(server, false).await
    }

    /// The same, but what the server sends arrives in small pieces, as over a slow network.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn slow_to(server: u16) -> Self {
        Self::start(server, true).await
    }

    async fn start(server: u16, is_slow: bool) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (silent, silent_up_to) = watch::channel(0);
        let (count, opened) = watch::channel(0);
        let work = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = *count.borrow() + 1;
                count.send_replace(number);
                tokio::spawn(connect(client, server, number, silent_up_to.clone(), is_slow));
            }
        });
        Self { port, silent, opened, work }
    }

    /// The port on which it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Number of connections that were opened so far.
    #[must_use]
    pub fn opened(&self) -> u64 {
        *self.opened.borrow()
    }

    /// Swallows all bytes on the connections that are open now, which stay open. New ones work.
    pub fn silence_open_connections(&self) {
        self.silent.send_replace(self.opened());
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.work.abort();
    }
}

async fn connect(
    client: TcpStream,
    server: u16,
    number: u64,
    silent: watch::Receiver<u64>,
    is_slow: bool,
) {
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let _ = tokio::join!(
        forward(from_client, to_server, number, silent.clone(), false),
        forward(from_server, to_client, number, silent, is_slow),
    );
}

async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: u64,
    silent: watch::Receiver<u64>,
    is_slow: bool,
) -> io::Result<()> {
    let mut buffer = [0; 4096];
    let piece = if is_slow { SLOW_PIECE } else { buffer.len() };
    loop {
        let length = from.read(&mut buffer[..piece]).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        if *silent.borrow() < number {
            to.write_all(&buffer[..length]).await?;
        }
        if is_slow {
            sleep(SLOW_PAUSE).await;
        }
    }
}
