use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    process::ExitCode,
};

use rocket::{error::ErrorKind, fairing::AdHoc};

use super::{Failed, finish_revocations, output};
use crate::{
    AssembleError, assemble,
    config::Settings,
    metrics::MetricsListener,
    open_database,
    server::{self, Limits, ServeError},
};

/// Serves until the process receives a signal to stop.
pub(super) async fn run(settings: Settings) -> Result<ExitCode, Failed> {
    let public_url = settings.address_of("");
    if !settings.debug_profile && !settings.is_https() {
        log::warn!("PUBLIC_URL is {public_url}: without https, cookies travel in the clear");
    }
    for key in &settings.plaintext {
        log::warn!("{key} leads to another machine without TLS: what is sent there can be read");
    }
    let rocket = &settings.rocket;
    let address = SocketAddr::new(
        rocket.extract_inner::<IpAddr>("address")?,
        rocket.extract_inner::<u16>("port")?,
    );
    // The server binds last. Whoever starts the site twice gets one error, and nothing else happens.
    TcpListener::bind(address).map_err(|cause| cannot_listen(address, &cause))?;
    let metrics_listener =
        match settings.metrics_address {
            None => None,
            Some(address) => Some(MetricsListener::bind(address).await.map_err(|cause| {
                format!("METRICS_ADDRESS: cannot listen on {address}: {cause}")
            })?),
        };
    let database = open_database(&settings)?;
    if settings.auto_migrate {
        database.migrate().await.map_err(AssembleError::Database)?;
    }
    let assembly = assemble(settings, &database).await?;
    if let Some(listener) = metrics_listener {
        tokio::spawn(listener.serve(assembly.metrics.clone()));
    }
    let provider = assembly.ports.identity.clone();
    let site = assembly.site().attach(AdHoc::on_liftoff("address", move |rocket| {
        Box::pin(async move {
            let config = rocket.config();
            log::info!("listening on {}:{}", config.address, config.port);
            output::print_status(format_args!("Portico is at {public_url}"));
        })
    }));
    let site = site.ignite().await.map_err(|error| explain(&error))?;
    // Together with the requests that are being finished.
    let shutdown = site.shutdown();
    let at_shutdown = provider.clone();
    let revocations = tokio::spawn(async move {
        shutdown.await;
        finish_revocations(&*at_shutdown).await;
    });
    match server::serve(site, Limits::default()).await {
        Ok(()) => {
            revocations.await?;
            // Those of the last requests.
            finish_revocations(&*provider).await;
            Ok(ExitCode::SUCCESS)
        }
        Err(ServeError::Listen(address, cause)) => Err(cannot_listen(address, &cause).into()),
        Err(ServeError::Rocket(error)) => Err(explain(&error).into()),
    }
}

fn cannot_listen(address: SocketAddr, cause: &io::Error) -> String {
    if cause.kind() == io::ErrorKind::AddrInUse {
        return format!(
            "{address} is taken: stop the other program, or set ROCKET_PORT to another port, and PUBLIC_URL if it is set"
        );
    }
    format!("cannot listen on {address} ({cause}): check ROCKET_ADDRESS and ROCKET_PORT")
}

fn explain(error: &rocket::Error) -> String {
    match error.kind() {
        ErrorKind::FailedFairings(fairings) => {
            let names: Vec<_> = fairings.iter().map(|fairing| fairing.name.to_string()).collect();
            format!("cannot start: {} failed; the log above says why", names.join(", "))
        }
        other => format!("cannot start: {other}"),
    }
}
