use std::{fmt::Display, process::ExitCode};

use portico_domain::model::{ClaimPath, Permission, PermissionRules};

use super::{Failed, output};
use crate::{AssembleError, assemble, config::Settings, open_database};

/// Tries the settings, the database, the session store, the provider and the API for real.
pub(super) async fn run(settings: Settings) -> Result<ExitCode, Failed> {
    output::print("settings   ok    all of them can be read")?;
    output::print(format_args!("claims     ok    {}", claims(&settings.permissions)))?;
    let database = open_database(&settings)?;
    // As `serve` would begin on a fresh clone. In production a check changes nothing.
    if settings.debug_profile && settings.auto_migrate {
        database.migrate().await.map_err(AssembleError::Database)?;
    }
    let assembly = assemble(settings, &database).await?;
    let ports = &assembly.ports;
    let mut all_well = true;
    let mut line = |what: &str, of: &str, result: Result<(), String>| match result {
        Ok(()) => output::print(format_args!("{what:10} ok    {of}")),
        Err(cause) => {
            all_well = false;
            output::print(format_args!("{what:10} FAIL  {of}: {cause}"))
        }
    };
    let current = text(database.check_version().await);
    let works = text(ports.users.check().await);
    line("database", assembly.database_kind(), current.and(works))?;
    line("sessions", assembly.session_store_kind(), text(ports.registry.check().await))?;
    line("provider", &assembly.issuer, text(ports.identity.check().await))?;
    match &assembly.api_url {
        Some(url) => line("API", url, text(ports.messages.check().await))?,
        None => line("API", "answered locally (API_SERVER_URL is not set)", Ok(()))?,
    }
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The claims that grant permissions, and what the mapping makes of their values. Which of them a user
/// has, or is only referred to, is known at a log-in: `users show` tells it.
fn claims(rules: &PermissionRules) -> String {
    let paths: Vec<_> = rules.claims.iter().map(ClaimPath::as_str).collect();
    let mut text = format!("PERMISSIONS_CLAIMS: {}", paths.join(", "));
    for (value, permissions) in &rules.mapping {
        let names: Vec<_> = permissions.iter().map(Permission::as_str).collect();
        let names = if names.is_empty() { "nothing".into() } else { names.join(", ") };
        text += &format!("; {value:?} grants {names}");
    }
    text
}

fn text<E: Display>(result: Result<(), E>) -> Result<(), String> {
    result.map_err(|cause| cause.to_string())
}
