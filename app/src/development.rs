//! The development servers, for `cargo run` without settings.

use std::path::Path;

use portico_adapters::identity::{
    ClientSecret,
    oidc::{Registration, Vendor},
};
use portico_development::{
    DevelopmentAccount, DevelopmentServers, DevelopmentSettings, RegisteredClient,
};
use portico_domain::ports::Randomness;

use crate::{
    assemble::{AssembleError, Connected},
    config::Settings,
    router::template_dir,
    secret_key,
};

/// Where the provider and the API are looked for first.
const PROVIDER_PORT: u16 = 4041;
const API_PORT: u16 = 6060;

/// The accounts of the provider, in the working directory.
const ACCOUNTS_FILE: &str = "development.toml";

/// What access tokens are for where no audience is set.
const AUDIENCE: &str = "https://portico.example/api";

/// Starts the development provider and API, and registers the site at them.
pub(crate) async fn start(settings: &Settings) -> Result<Connected, AssembleError> {
    let failed = |error: &dyn std::fmt::Display| AssembleError::Development(error.to_string());
    if !settings.debug_profile {
        return Err(failed(&"the development provider runs in the debug profile only"));
    }
    let accounts =
        DevelopmentAccount::read(Path::new(ACCOUNTS_FILE)).map_err(|error| failed(&error))?;
    let log_in_as = log_in_as(&accounts);
    let id = "portico".to_owned();
    let randomness: &dyn Randomness = &portico_adapters::system::SystemRandomness;
    let secret = secret_key::fresh(randomness).map_err(|error| failed(&error))?.expose();
    let audience = settings.audience.clone().unwrap_or_else(|| AUDIENCE.into());
    let servers = DevelopmentServers::start(DevelopmentSettings {
        provider_port: PROVIDER_PORT,
        api_port: API_PORT,
        next_free: true,
        client: RegisteredClient {
            id: id.clone(),
            secret: secret.clone(),
            redirect_uri: settings.address_of("/callback"),
            post_logout_redirect_uri: settings.address_of("/"),
        },
        accounts,
        audience: audience.clone(),
        template_dir: template_dir(),
    })
    .await
    .map_err(|error| failed(&error))?;
    for (what, wanted, got) in [
        ("development provider", PROVIDER_PORT, servers.provider_port()),
        ("development messages API", API_PORT, servers.api_port()),
    ] {
        if wanted != got {
            log::warn!("port {wanted} is taken: the {what} listens on {got}");
        }
    }
    log::info!(
        "the development identity provider is at {}; log in as {log_in_as}",
        servers.issuer(),
    );
    Ok(Connected {
        registration: Registration {
            vendor: Vendor::Any,
            issuer: servers.issuer().to_owned(),
            discovery_url: None,
            client_id: id,
            client_secret: Some(ClientSecret::new(secret)),
            client_key: None,
            client_auth_method: None,
        },
        audience: Some(audience),
        api_url: Some(settings.api_server_url.clone().unwrap_or_else(|| servers.api_url())),
        development_servers: Some(servers),
    })
}

/// The accounts with the default password; where no account has it, their file.
fn log_in_as(accounts: &[DevelopmentAccount]) -> String {
    let offered =
        accounts.iter().filter(|account| account.password == DevelopmentAccount::PASSWORD);
    let emails: Vec<_> = offered.map(|account| account.email.as_str()).collect();
    if emails.is_empty() {
        return format!("an account of {ACCOUNTS_FILE}");
    }
    format!("{} with the password {}", emails.join(" or "), DevelopmentAccount::PASSWORD)
}
