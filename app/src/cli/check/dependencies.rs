use std::sync::Arc;

use portico_adapters::{
    database::Database,
    http::{HttpClient, Limits},
    system::{SystemClock, SystemRandomness},
    tls,
};
use portico_domain::{
    model::Check,
    ports::{Clock, IdentityProvider, MessageApi, Randomness, SessionRegistry},
};

use super::report::Report;
use crate::{
    AssembleError,
    assemble::{
        Connected, open_existing_database, open_identity, open_messages, open_registry_if_possible,
        open_users,
    },
    config::{SecretKey, Settings, Store},
    open_database, secret_key,
};

/// Settings without which the provider cannot be tried.
const OF_PROVIDER: [&str; 12] = [
    "AUTH0_DOMAIN",
    "AUTH0_CLIENT_ID",
    "AUTH0_CLIENT_SECRET",
    "OIDC_ISSUER_URL",
    "OIDC_DISCOVERY_URL",
    "OIDC_CLIENT_ID",
    "OIDC_CLIENT_SECRET",
    "OIDC_CLIENT_KEY_FILE",
    "OIDC_CLIENT_KEY_ALG",
    "OIDC_CLIENT_AUTH_METHOD",
    "PUBLIC_URL",
    "SSL_CERT_FILE",
];

/// Tries everything that the settings name. What they do not name, because the setting is refused, is
/// skipped.
pub(super) async fn examine(
    settings: &Settings,
    is_refused: &dyn Fn(&str) -> bool,
    report: &mut Report,
) {
    let first_refused = |keys: &[&'static str]| keys.iter().copied().find(|key| is_refused(key));
    let skipped =
        |key: &str| vec![Check::skipped("all", format!("not tried, as {key} is refused"))];

    let refused = first_refused(&["DATABASE_URL", "SSL_CERT_FILE"]);
    let database = match refused {
        Some(_) => None,
        None => Some(open(settings).await),
    };
    let opened = database.as_ref().and_then(|database| database.as_ref().ok());
    let users = async {
        match (&database, refused) {
            (Some(Ok(database)), _) => open_users(database).examine().await,
            (Some(Err(cause)), _) => vec![Check::failed("reachable", cause.to_string())],
            (None, key) => skipped(key.unwrap_or_default()),
        }
    };
    let sessions = async {
        match first_refused(&["SESSION_STORE", "REDIS_URL", "SSL_CERT_FILE"]) {
            Some(key) => skipped(key),
            None => sessions(settings, opened).await,
        }
    };
    let servers = async {
        if let Some(key) = first_refused(&OF_PROVIDER) {
            let api = match first_refused(&["API_SERVER_URL", "SSL_CERT_FILE"]) {
                Some(key) => skipped(key),
                None => api(settings.api_server_url.as_deref(), settings).await,
            };
            return (skipped(key), api);
        }
        servers(settings, first_refused(&["API_SERVER_URL"])).await
    };
    let (users, sessions, (provider, api)) = tokio::join!(users, sessions, servers);
    report.add_all("database", users);
    report.add_all("sessions", sessions);
    report.add_all("provider", provider);
    report.add_all("API", api);
}

/// As `serve` would begin on a fresh clone, in the debug profile. In production a check creates and
/// migrates nothing.
async fn open(settings: &Settings) -> Result<Database, AssembleError> {
    if !settings.debug_profile {
        return open_existing_database(settings);
    }
    let database = open_database(settings)?;
    if settings.auto_migrate {
        database.migrate().await?;
    }
    Ok(database)
}

async fn sessions(settings: &Settings, database: Option<&Database>) -> Vec<Check> {
    let mut checks = Vec::new();
    let key = match key(settings) {
        Ok(key) => key,
        Err(cause) => return vec![Check::failed("key", cause.to_string())],
    };
    if settings.secret_key.is_none() && settings.debug_profile {
        checks.push(Check::passed("key", "generated, in portico.key beside the database"));
    }
    match open_registry_if_possible(settings, &key, database) {
        Ok(Some(registry)) => checks.extend(examine_registry(settings, &*registry).await),
        Ok(None) => checks.push(Check::skipped("writable", "not tried, as there is no database")),
        Err(cause) => checks.push(Check::failed("writable", cause.to_string())),
    }
    checks
}

async fn examine_registry(settings: &Settings, registry: &dyn SessionRegistry) -> Vec<Check> {
    let store = match settings.session_store {
        Store::Cookie => "SESSION_STORE=cookie",
        Store::Database => "SESSION_STORE=database",
        Store::Redis(_) => "SESSION_STORE=redis",
    };
    let mut checks = vec![Check::passed("store", store)];
    checks.extend(registry.examine().await);
    checks
}

/// Nothing is sealed with it: where the key of the settings is refused, any other will do.
fn key(settings: &Settings) -> Result<SecretKey, AssembleError> {
    let randomness: &dyn Randomness = &SystemRandomness;
    let key = if settings.debug_profile {
        secret_key::of(settings, randomness)
    } else {
        secret_key::fresh(randomness)
    };
    key.map_err(AssembleError::SecretKey)
}

/// The provider and the API. Both may be the development servers.
async fn servers(settings: &Settings, refused: Option<&str>) -> (Vec<Check>, Vec<Check>) {
    let provider = match Connected::of(settings).await {
        Ok(provider) => provider,
        Err(cause) => {
            let failed = vec![Check::failed("start", cause.to_string())];
            return (failed, api(settings.api_server_url.as_deref(), settings).await);
        }
    };
    let api = async {
        match refused {
            Some(key) => vec![Check::skipped("all", format!("not tried, as {key} is refused"))],
            None => api(provider.api_url.as_deref(), settings).await,
        }
    };
    let identity = async {
        match open_provider(settings, &provider) {
            Ok(identity) => identity.examine().await,
            Err(cause) => vec![Check::failed("settings", cause.to_string())],
        }
    };
    tokio::join!(identity, api)
}

fn open_provider(
    settings: &Settings,
    provider: &Connected,
) -> Result<Arc<dyn IdentityProvider>, AssembleError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    open_identity(settings, provider, http(settings)?, clock)
}

async fn api(url: Option<&str>, settings: &Settings) -> Vec<Check> {
    let open =
        || -> Result<Arc<dyn MessageApi>, AssembleError> { open_messages(url, http(settings)?) };
    match open() {
        Ok(messages) => messages.examine().await,
        Err(cause) => vec![Check::failed("settings", cause.to_string())],
    }
}

fn http(settings: &Settings) -> Result<HttpClient, AssembleError> {
    let tls = tls::client_config(settings.ssl_cert_file.as_deref())?;
    Ok(HttpClient::new(tls, Limits::default())?)
}
