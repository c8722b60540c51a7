//! The one place that knows which adapter stands behind which port.

use std::sync::Arc;

use portico_adapters::{
    database::{Database, DatabaseUnavailable},
    http::{HttpClient, HttpError, Limits},
    identity::{
        ClientSecret, auth0,
        oidc::{
            ClientAuthMethod, ClientKey, InvalidSetting, OidcProvider, OidcSettings, ResponseMode,
            Vendor,
        },
    },
    messages::{HttpMessages, InvalidAddress, LocalMessages},
    sessions::{
        CookieLoginAttempts, CookieSessions, CookieSettings, LoginAttemptStores,
        ServerSideSessions, SessionStores,
    },
    system::{SystemClock, SystemRandomness},
    tls::{self, TlsUnavailable},
    users::diesel_users,
};
use portico_domain::ports::{
    Clock, MessageApi, Randomness, ReplayGuard, SessionRegistry, SessionsUnavailable,
    UserRepository,
};
use rocket::{Build, Rocket};
use url::Url;

use crate::{
    About, Ports,
    config::{Provider, SecretKey, Settings, Store},
    router, secret_key,
};

/// A site, ready to be launched, and what stands behind it.
pub struct Assembly {
    /// The ports, for the commands that serve no pages.
    pub ports: Ports,
    /// The provider's issuer, as configured.
    pub issuer: String,
    /// The messages API's address; `None` where messages are answered locally.
    pub api_url: Option<String>,
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

/// What the site is to its provider and API.
pub(crate) struct Client {
    pub(crate) vendor: Vendor,
    pub(crate) issuer: String,
    pub(crate) id: String,
    pub(crate) secret: Option<ClientSecret>,
    pub(crate) key: Option<ClientKey>,
    pub(crate) auth_method: Option<ClientAuthMethod>,
    pub(crate) audience: Option<String>,
    pub(crate) api_url: Option<String>,
}

/// Puts an adapter behind each port, by the settings. Waits for no provider, API, database or Redis
/// server; starts the development provider and API where they are asked for. The database should
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
    let SessionPorts { sessions, registry, replay_guard, attempts } =
        open_sessions(&settings, &secret_key, database, &clock, &randomness)?;

    #[cfg(feature = "development")]
    let mut development_servers = None;
    let client = match &settings.provider {
        Provider::Auth0 { domain, client_id, client_secret } => Client {
            vendor: Vendor::Auth0,
            issuer: auth0::issuer(domain),
            id: client_id.clone(),
            secret: Some(client_secret.clone()),
            key: None,
            auth_method: None,
            audience: settings.audience.clone(),
            api_url: settings.api_server_url.clone(),
        },
        Provider::Oidc { issuer, client_id, client_secret, client_key, client_auth_method } => {
            Client {
                vendor: Vendor::Any,
                issuer: issuer.clone(),
                id: client_id.clone(),
                secret: client_secret.clone(),
                key: client_key.clone(),
                auth_method: *client_auth_method,
                audience: settings.audience.clone(),
                api_url: settings.api_server_url.clone(),
            }
        }
        #[cfg(feature = "development")]
        Provider::Development => {
            let (started, client) = crate::development::start(&settings).await?;
            development_servers = Some(started);
            client
        }
        #[cfg(not(feature = "development"))]
        Provider::Development => {
            return Err(AssembleError::Development(
                "built without the development provider".into(),
            ));
        }
    };
    let identity = OidcProvider::new(
        OidcSettings {
            issuer: client.issuer.clone(),
            client_id: client.id,
            client_secret: client.secret,
            client_key: client.key,
            client_auth_method: client.auth_method,
            audience: client.audience,
            scopes: settings.scopes.clone(),
            redirect_uri: settings.address_of("/callback"),
            post_logout_redirect_uri: settings.address_of("/"),
            response_mode: settings.response_mode,
            pushed_requests: settings.pushed_requests,
            id_token_algorithm: settings.client.id_token_algorithm.clone(),
            userinfo: settings.client.userinfo,
            permissions: settings.permissions.clone(),
            required_claims: settings
                .entry_rules
                .required_claims
                .iter()
                .map(|required| required.path.clone())
                .collect(),
            vendor: client.vendor,
        },
        http.clone(),
        clock.clone(),
    )?;
    let messages: Arc<dyn MessageApi> = match &client.api_url {
        Some(url) => Arc::new(HttpMessages::new(url, http)?),
        None => Arc::new(LocalMessages),
    };
    let ports = Ports {
        identity: Arc::new(identity),
        users: open_users(database),
        sessions,
        attempts,
        registry,
        replay_guard,
        messages,
        clock,
        randomness,
        lifetimes: settings.lifetimes,
        entry_rules: Arc::new(settings.entry_rules.clone()),
    };
    Ok(Assembly {
        ports,
        issuer: client.issuer,
        api_url: client.api_url,
        #[cfg(feature = "development")]
        development_servers,
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

/// The user repository, for the site and for `portico users`.
pub(crate) fn open_users(database: &Database) -> Arc<dyn UserRepository> {
    diesel_users(database)
}

/// The ports behind which one session store stands.
struct SessionPorts {
    sessions: Arc<dyn SessionStores>,
    registry: Arc<dyn SessionRegistry>,
    replay_guard: Arc<dyn ReplayGuard>,
    attempts: Arc<dyn LoginAttemptStores>,
}

/// Opens the session store. Does not wait for a server.
fn open_sessions(
    settings: &Settings,
    secret_key: &SecretKey,
    database: &Database,
    clock: &Arc<dyn Clock>,
    randomness: &Arc<dyn Randomness>,
) -> Result<SessionPorts, AssembleError> {
    let cookies = CookieSettings {
        public_url: settings.address_of("/"),
        secure: settings.is_https(),
        form_post: settings.response_mode == ResponseMode::FormPost,
        lifetimes: settings.lifetimes,
        key: secret_key.material(),
        previous_keys: settings.previous_secret_keys.iter().map(SecretKey::material).collect(),
    };
    let (clock, randomness) = (clock.clone(), randomness.clone());
    let attempts_with = |guard: &Arc<dyn ReplayGuard>| {
        Arc::new(CookieLoginAttempts::new(cookies.clone(), guard.clone(), clock.clone()))
    };
    let server_side = match &settings.session_store {
        Store::Cookie => {
            let store = CookieSessions::new(cookies.clone(), database, clock.clone(), randomness);
            let store = Arc::new(store);
            let replay_guard = store.replay_guard();
            let attempts = attempts_with(&replay_guard);
            return Ok(SessionPorts {
                sessions: store.clone(),
                registry: store,
                replay_guard,
                attempts,
            });
        }
        Store::Database => {
            ServerSideSessions::in_database(cookies.clone(), database, clock.clone(), randomness)
        }
        Store::Redis(url) => {
            let roots = settings.ssl_cert_file.as_deref();
            let (cookies, clock) = (cookies.clone(), clock.clone());
            ServerSideSessions::in_redis(cookies, url.expose(), roots, clock, randomness)
                .map_err(AssembleError::Redis)?
        }
    };
    let store = Arc::new(server_side);
    let replay_guard = store.replay_guard();
    let attempts = attempts_with(&replay_guard);
    Ok(SessionPorts { sessions: store.clone(), registry: store, replay_guard, attempts })
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

impl Assembly {
    /// What the database is, without its password.
    pub(crate) fn database_kind(&self) -> &'static str {
        match self.settings.database_url.sqlite_file() {
            Some(_) => "SQLite",
            None => "PostgreSQL",
        }
    }

    /// The address of the session store, without a password.
    pub(crate) fn session_store_kind(&self) -> &'static str {
        match self.settings.session_store {
            Store::Cookie => "cookies, and a list of ended ones in the database",
            Store::Database => "the database",
            Store::Redis(_) => "Redis",
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
        };
        router::build(rocket, self.ports.clone(), about)
    }
}

fn origin(address: &str) -> Option<String> {
    Some(Url::parse(address).ok()?.origin().ascii_serialization())
}
