use std::process::ExitCode;

use rocket::{error::ErrorKind, fairing::AdHoc};

use super::{Failed, output};
use crate::{assemble, config::Settings, open_database};

/// Serves until the process is told to stop.
pub(super) async fn run(settings: Settings) -> Result<ExitCode, Failed> {
    let public_url = settings.address_of("");
    if !settings.debug_profile && !settings.is_https() {
        log::warn!("PUBLIC_URL is {public_url}: without https, cookies travel in the clear");
    }
    let database = open_database(&settings)?;
    if settings.auto_migrate {
        database.migrate().await.map_err(|cause| format!("DATABASE_URL: {cause}"))?;
    }
    let assembly = assemble(settings, &database).await?;
    let site = assembly.site().attach(AdHoc::on_liftoff("address", move |rocket| {
        Box::pin(async move {
            let config = rocket.config();
            log::info!("listening on {}:{}", config.address, config.port);
            output::tell(format_args!("Portico is at {public_url}"));
        })
    }));
    match site.launch().await {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(explain(&error).into()),
    }
}

fn explain(error: &rocket::Error) -> String {
    match error.kind() {
        ErrorKind::Bind(cause) => format!(
            "the address is taken or not allowed ({cause}): set ROCKET_PORT (and PUBLIC_URL) to another one"
        ),
        ErrorKind::FailedFairings(fairings) => {
            let names: Vec<_> = fairings.iter().map(|fairing| fairing.name.to_string()).collect();
            format!("cannot start: {} failed; the log above says why", names.join(", "))
        }
        other => format!("cannot start: {other}"),
    }
}
