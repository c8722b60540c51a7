//! Chooses the adapter behind each port.

mod identity;
mod sessions;

use std::sync::Arc;

use portico_adapters::{
    database::{Database, DatabaseUnavailable},
    http::{HttpClient, HttpError, Limits},
    identity::oidc::InvalidSetting,
    messages::{HttpMessages, InvalidAddress, LocalMessages},
    system::{SystemClock, SystemRandomness},
    tls::{self, TlsUnavailable},
    users::diesel_users,
};
use portico_domain::ports::{
    Clock, IdentityProvider, MessageApi, Randomness, SessionRegistry, SessionsUnavailable,
    UserRepository,
};
use rocket::{Build, Rocket};
use url::Url;

pub(crate) use self::identity::{Connected, open_identity};
use self::sessions::{SessionPorts, open_redis, open_sessions};
use crate::{
    About, Ports,
    config::{Provider, SecretKey, Settings, Store},
    metrics::{MeasuredApi, MeasuredProvider, Metrics, Sources},
    router, secret_key, site,
    web::{Tabs, Templates, embedded_templates},
};

/// A site, ready to be launched, and what stands behind it.
pub struct Assembly {
    /// The ports, for the commands that serve no pages.
    pub ports: Ports,
    /// The provider's issuer, as configured.
    pub issuer: String,
    /// The messages API's address; `None` where messages are answered locally.
    pub api_url: Option<String>,
    /// What the site counts.
    pub metrics: Metrics,
    /// The development provider and API. They end with this value.
    #[cfg(feature = "development")]
    pub development_servers: Option<portico_development::DevelopmentServers>,
    secret_key: SecretKey,
    settings: Settings,
}

/// Why the site cannot be assembled.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// `SSL_CERT_FILE` cannot be used.
    #[error("SSL_CERT_FILE: {0}")]
    Tls(#[from] TlsUnavailable),
    /// No HTTP client can be built.
    #[error("no HTTP client: {0}")]
    Http(#[from] HttpError),
    /// A setting that only its adapter could judge.
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    /// `API_SERVER_URL` is no address.
    #[error(transparent)]
    Api(#[from] InvalidAddress),
    /// The database cannot be opened or migrated.
    #[error("DATABASE_URL: {0}")]
    Database(#[from] DatabaseUnavailable),
    /// `REDIS_URL` is no address that the store can use.
    #[error("REDIS_URL: {0}")]
    Redis(SessionsUnavailable),
    /// The generated key cannot be stored or read.
    #[error("the generated secret key: {0}")]
    SecretKey(std::io::Error),
    /// The development provider or API cannot be started.
    #[error("{0}")]
    Development(String),
}

/// Puts an adapter behind each port, by the settings. Waits for no provider, API, database or Redis
/// server; starts the development provider and API where the settings say so. The database should
/// have its tables: it is read from now on.
///
/// # Errors
/// An [`AssembleError`] that names the setting to look at.
pub async fn assemble(settings: Settings, database: &Database) -> Result<Assembly, AssembleError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let randomness: Arc<dyn Randomness> = Arc::new(SystemRandomness);
    let tls = tls::client_config(settings.ssl_cert_file.as_deref())?;
    let http = HttpClient::new(tls, Limits::default())?;
    let secret_key = secret_key::of(&settings, &*randomness).map_err(AssembleError::SecretKey)?;
    let SessionPorts { sessions, registry, replay_guard, attempts, list_age } =
        open_sessions(&settings, &secret_key, database, &clock, &randomness)?;
    let provider = Connected::of(&settings).await?;
    let metrics = Metrics::default();
    let pool = database.clone();
    metrics.read_from(Sources { pool: Box::new(move || pool.pool_use()), list_age });
    let observed = http.clone().with_date_observer(metrics.clock_observer(clock.clone()));
    let identity = open_identity(&settings, &provider, observed, clock.clone())?;
    let api = open_messages(provider.api_url.as_deref(), http)?;
    let ports = Ports {
        identity: Arc::new(MeasuredProvider { provider: identity, metrics: metrics.clone() }),
        users: open_users(database),
        sessions,
        attempts,
        registry,
        replay_guard,
        messages: Arc::new(MeasuredApi { api, metrics: metrics.clone() }),
        clock,
        randomness,
        lifetimes: settings.lifetimes,
        entry_rules: Arc::new(settings.entry_rules.clone()),
    };
    Ok(Assembly {
        ports,
        issuer: provider.registration.issuer,
        api_url: provider.api_url,
        metrics,
        #[cfg(feature = "development")]
        development_servers: provider.development_servers,
        secret_key,
        settings,
    })
}

/// Opens the database. Waits for no server.
///
/// # Errors
/// [`AssembleError::Database`] or [`AssembleError::Tls`].
pub fn open_database(settings: &Settings) -> Result<Database, AssembleError> {
    let tls = tls::client_config(settings.ssl_cert_file.as_deref())?;
    Ok(Database::open(settings.database_url.expose(), tls)?)
}

/// Opens the database, without creating a SQLite file.
///
/// # Errors
/// As [`open_database`]; also where the SQLite file does not exist.
pub(crate) fn open_existing_database(settings: &Settings) -> Result<Database, AssembleError> {
    let tls = tls::client_config(settings.ssl_cert_file.as_deref())?;
    Ok(Database::open_existing(settings.database_url.expose(), tls)?)
}

/// The messages API; answers locally where it has no address.
pub(crate) fn open_messages(
    url: Option<&str>,
    http: HttpClient,
) -> Result<Arc<dyn MessageApi>, AssembleError> {
    Ok(match url {
        Some(url) => Arc::new(HttpMessages::new(url, http)?),
        None => Arc::new(LocalMessages),
    })
}

/// The user repository, for the site and for `portico users`.
pub(crate) fn open_users(database: &Database) -> Arc<dyn UserRepository> {
    diesel_users(database)
}

/// Opens the session registry, for the commands that need nothing else.
pub(crate) fn open_registry(
    settings: &Settings,
    database: &Database,
) -> Result<Arc<dyn SessionRegistry>, AssembleError> {
    let randomness: Arc<dyn Randomness> = Arc::new(SystemRandomness);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let key = secret_key::of(settings, &*randomness).map_err(AssembleError::SecretKey)?;
    Ok(open_sessions(settings, &key, database, &clock, &randomness)?.registry)
}

/// Opens the identity provider, for the commands that need nothing else. `None` with the development
/// provider, which ends with the site.
pub(crate) fn open_provider(
    settings: &Settings,
) -> Result<Option<Arc<dyn IdentityProvider>>, AssembleError> {
    let Some(provider) = Connected::registered(settings) else { return Ok(None) };
    let tls = tls::client_config(settings.ssl_cert_file.as_deref())?;
    let http = HttpClient::new(tls, Limits::default())?;
    open_identity(settings, &provider, http, Arc::new(SystemClock)).map(Some)
}

/// Opens the session registry for a check. `None` where it needs a database and there is none.
pub(crate) fn open_registry_if_possible(
    settings: &Settings,
    key: &SecretKey,
    database: Option<&Database>,
) -> Result<Option<Arc<dyn SessionRegistry>>, AssembleError> {
    let randomness: Arc<dyn Randomness> = Arc::new(SystemRandomness);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    if let Store::Redis(address) = &settings.session_store {
        return Ok(Some(Arc::new(open_redis(settings, key, address, &clock, &randomness)?)));
    }
    database
        .map(|database| open_sessions(settings, key, database, &clock, &randomness))
        .map_or(Ok(None), |ports| Ok(Some(ports?.registry)))
}

impl Assembly {
    /// The templates in `template_dir`, or in the debug profile those of the source tree; else the
    /// embedded ones.
    fn templates(&self) -> Templates {
        let from_folder =
            self.settings.debug_profile || self.settings.rocket.contains("template_dir");
        match embedded_templates() {
            Ok(embedded) if !from_folder => Templates::Embedded(Box::new(embedded)),
            // A test renders each embedded template, so that none can be malformed.
            _ => Templates::Folder,
        }
    }

    /// Makes the site's Rocket.
    pub fn site(&self) -> Rocket<Build> {
        let key = self.secret_key.expose();
        let rocket = self.settings.rocket.clone().merge(("secret_key", key));
        let development = matches!(self.settings.provider, Provider::Development);
        let about = About {
            development,
            https: self.settings.is_https(),
            provider_origin: origin(&self.issuer).unwrap_or_default(),
            origin: origin(&self.settings.address_of("/")).unwrap_or_default(),
            trusted_proxies: self.settings.trusted_proxies.clone(),
            link_parameters: self.settings.client.link_parameters.clone(),
            sign_up_parameters: self.settings.client.sign_up_parameters.clone(),
        };
        let tabs = Tabs(site::TABS.to_vec());
        router::build(
            rocket,
            self.templates(),
            self.ports.clone(),
            self.metrics.clone(),
            about,
            tabs,
        )
    }
}

fn origin(address: &str) -> Option<String> {
    Some(Url::parse(address).ok()?.origin().ascii_serialization())
}
