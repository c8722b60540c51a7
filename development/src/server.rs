//! A Rocket instance on loopback that can be stopped.

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

use crate::error::StartError;

/// A server that runs in the current Tokio runtime until it is stopped or dropped.
pub(crate) struct Server {
    port: u16,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), StartError>>,
}

impl Server {
    /// Launches the Rocket that `build` returns for the configuration. `on_port` is called with the
    /// port before the first request is handled. With `next_free`, tries the following ports while
    /// the port is in use.
    pub(crate) async fn start(
        mut port: u16,
        next_free: bool,
        templates: &Path,
        build: impl Fn(Figment) -> Rocket<Build>,
        on_port: impl Fn(u16) + Clone + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        loop {
            let rocket = build(configuration(port, templates)?);
            match (Self::launch(rocket, port, on_port.clone()).await, port.checked_add(1)) {
                (Err(StartError::PortTaken(_)), Some(next)) if next_free => port = next,
                (outcome, _) => return outcome,
            }
        }
    }

    async fn launch(
        rocket: Rocket<Build>,
        requested: u16,
        on_port: impl FnOnce(u16) + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        let (port_sender, port) = oneshot::channel();
        let liftoff = AdHoc::on_liftoff("port", move |rocket| {
            Box::pin(async move {
                on_port(rocket.config().port);
                // The receiver is gone if the caller was cancelled.
                let _ = port_sender.send(rocket.config().port);
            })
        });
        // Without keep-alive Rocket closes the connection after each response, but does not send
        // this header. A client that pools the connection would lose its next request.
        let close = AdHoc::on_response("connections and chunks", |_, response| {
            Box::pin(async move {
                response.set_raw_header("Connection", "close");
                // Not in chunks of 4,096 bytes: a browser could paint a part of a page, which then
                // moves.
                response.set_max_chunk_size(64 * 1024);
            })
        });
        let rocket = rocket
            .attach(liftoff)
            .attach(close)
            .ignite()
            .await
            .map_err(|error| start_error(&error, requested))?;
        let shutdown = rocket.shutdown();
        let task = tokio::spawn(async move {
            rocket.launch().await.map(drop).map_err(|error| start_error(&error, requested))
        });
        match port.await {
            Ok(port) => Ok(Self { port, shutdown, task }),
            // The sender was dropped: the launch failed before liftoff.
            Err(_) => match task.await {
                Ok(Err(error)) => Err(error),
                _ => Err(StartError::Failed("the server stopped at start".into())),
            },
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Stops the server and closes its connections. Returns when the port is free.
    pub(crate) async fn stop(mut self) {
        self.shutdown.clone().notify();
        // The result does not matter: requests in flight are cut off.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.clone().notify();
    }
}

fn configuration(port: u16, templates: &Path) -> Result<Figment, StartError> {
    let key = SystemRandomness.bytes().map_err(|error| StartError::Failed(error.to_string()))?;
    let config = Config {
        address: Ipv4Addr::LOCALHOST.into(),
        port,
        // A client could otherwise reuse a connection from before a restart.
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
        // In the debug profile Rocket warns that the runtime is not its own.
        ..Config::release_default()
    };
    Ok(Figment::from(config)
        .merge(("secret_key", BASE64.encode(key)))
        .merge(("template_dir", templates)))
}

/// Converts the error. Rocket panics if an error is dropped without having been inspected.
fn start_error(error: &rocket::Error, port: u16) -> StartError {
    match error.kind() {
        ErrorKind::Bind(error) if error.kind() == io::ErrorKind::AddrInUse => {
            StartError::PortTaken(port)
        }
        ErrorKind::Bind(error) => StartError::Failed(format!("127.0.0.1:{port}: {error}")),
        other => StartError::Failed(other.to_string()),
    }
}
