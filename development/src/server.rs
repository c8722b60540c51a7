//! One Rocket instance on loopback: started in the current runtime, stopped on demand.

use std::{io, net::Ipv4Addr, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use portico_adapters::system::SystemRandomness;
use portico_domain::ports::Randomness;
use rocket::{
    Build, Config, Rocket, Shutdown,
    config::{LogLevel, Shutdown as ShutdownConfig},
    error::ErrorKind,
    fairing::AdHoc,
    figment::Figment,
};
use tokio::{sync::oneshot, task::JoinHandle};

use crate::error::WorldError;

/// A server that runs until it is stopped or dropped.
pub(crate) struct Server {
    port: u16,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), WorldError>>,
}

impl Server {
    /// Launches what `build` makes of the configuration. `on_port` learns the port before the
    /// first request is answered. With `next_free`, a taken port leads to the next one.
    pub(crate) async fn start(
        mut port: u16,
        next_free: bool,
        templates: &Path,
        build: impl Fn(Figment) -> Rocket<Build>,
        on_port: impl Fn(u16) + Clone + Send + Sync + 'static,
    ) -> Result<Self, WorldError> {
        loop {
            let rocket = build(configuration(port, templates)?);
            match (Self::launch(rocket, port, on_port.clone()).await, port.checked_add(1)) {
                (Err(WorldError::PortTaken(_)), Some(next)) if next_free => port = next,
                (outcome, _) => return outcome,
            }
        }
    }

    async fn launch(
        rocket: Rocket<Build>,
        asked: u16,
        on_port: impl FnOnce(u16) + Send + Sync + 'static,
    ) -> Result<Self, WorldError> {
        let (lifted, port) = oneshot::channel();
        let liftoff = AdHoc::on_liftoff("port", move |rocket| {
            Box::pin(async move {
                on_port(rocket.config().port);
                // Whoever started the server may have stopped waiting.
                let _ = lifted.send(rocket.config().port);
            })
        });
        // Rocket hangs up after each answer but does not say so: a client that keeps the connection
        // would lose its next request.
        let close = AdHoc::on_response("whole responses on one connection each", |_, response| {
            Box::pin(async move {
                response.set_raw_header("Connection", "close");
                // Rocket sends 4,096 bytes at a time: a browser may paint half a page, then move it.
                response.set_max_chunk_size(64 * 1024);
            })
        });
        let rocket = rocket
            .attach(liftoff)
            .attach(close)
            .ignite()
            .await
            .map_err(|error| why(&error, asked))?;
        let shutdown = rocket.shutdown();
        let task = tokio::spawn(async move {
            rocket.launch().await.map(drop).map_err(|error| why(&error, asked))
        });
        match port.await {
            Ok(port) => Ok(Self { port, shutdown, task }),
            // The sender is gone: the launch ended before the liftoff.
            Err(_) => match task.await {
                Ok(Err(error)) => Err(error),
                _ => Err(WorldError::Start("the server ended at once".into())),
            },
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Stops accepting, closes what is open, and returns when the port is free.
    pub(crate) async fn stop(mut self) {
        self.shutdown.clone().notify();
        // How it ended no longer matters: a request that outlived the time limits is cut off.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.clone().notify();
    }
}

fn configuration(port: u16, templates: &Path) -> Result<Figment, WorldError> {
    let key = SystemRandomness.bytes().map_err(|error| WorldError::Start(error.to_string()))?;
    let config = Config {
        address: Ipv4Addr::LOCALHOST.into(),
        port,
        // A connection kept alive would outlive a stop, and fail its owner after a start.
        keep_alive: 0,
        log_level: LogLevel::Off,
        cli_colors: false,
        shutdown: ShutdownConfig {
            ctrlc: false,
            #[cfg(unix)]
            signals: Default::default(),
            grace: 0,
            mercy: 0,
            force: false,
            ..ShutdownConfig::default()
        },
        // Its profile keeps Rocket from warning about a runtime that is not its own.
        ..Config::release_default()
    };
    Ok(Figment::from(config)
        .merge(("secret_key", BASE64.encode(key)))
        .merge(("template_dir", templates)))
}

/// Reads the error, which Rocket wants done before it is dropped.
fn why(error: &rocket::Error, port: u16) -> WorldError {
    match error.kind() {
        ErrorKind::Bind(error) if error.kind() == io::ErrorKind::AddrInUse => {
            WorldError::PortTaken(port)
        }
        ErrorKind::Bind(error) => WorldError::Start(format!("127.0.0.1:{port}: {error}")),
        other => WorldError::Start(other.to_string()),
    }
}
