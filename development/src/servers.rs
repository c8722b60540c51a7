//! The identity provider and the messages API together.

use std::{fmt, sync::Arc};

use portico_adapters::{
    http::{HttpClient, Limits},
    tls,
};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::{
    endpoints,
    error::StartError,
    messages_api::{self, AccessTokenVerifier},
    model::{
        dialect::Dialect, faults::Faults, keys::SigningKeys, logout_token::logout_token,
        provider::Provider,
    },
    server::Server,
    settings::DevelopmentSettings,
    web::count_requests::count_requests,
};

/// An identity provider and a messages API on loopback. Dropping the value stops both.
pub struct DevelopmentServers {
    provider: Arc<Provider>,
    issuer: String,
    provider_port: u16,
    provider_server: Mutex<Option<Server>>,
    api_http: HttpClient,
    api_port: u16,
    api_server: Mutex<Option<Server>>,
    settings: DevelopmentSettings,
}

impl DevelopmentServers {
    /// Starts both in the current Tokio runtime.
    ///
    /// # Errors
    /// [`StartError::PortTaken`] when a port is in use and `next_free` is false;
    /// [`StartError::Failed`] for any other reason.
    pub async fn start(settings: DevelopmentSettings) -> Result<Self, StartError> {
        let start = |error: &dyn fmt::Display| StartError::Failed(error.to_string());
        let tls = tls::client_config(None).map_err(|error| start(&error))?;
        let api_http = HttpClient::new(tls, Limits::default()).map_err(|error| start(&error))?;
        let keys = SigningKeys::new().await?;
        let provider = Arc::new(Provider::new(
            settings.client.clone(),
            &settings.accounts,
            settings.audience.clone(),
            keys,
            api_http.clone(),
        ));
        let mut servers = Self {
            provider,
            issuer: String::new(),
            provider_port: settings.provider_port,
            provider_server: Mutex::default(),
            api_http,
            api_port: settings.api_port,
            api_server: Mutex::default(),
            settings,
        };
        let provider = servers.launch_provider(servers.settings.next_free).await?;
        servers.provider_port = provider.port();
        servers.issuer = servers.provider.issuer().to_owned();
        servers.provider_server = Mutex::new(Some(provider));
        let api = servers.launch_api(servers.settings.next_free).await?;
        servers.api_port = api.port();
        servers.api_server = Mutex::new(Some(api));
        Ok(servers)
    }

    /// The provider's issuer, such as `http://127.0.0.1:4041`, without a trailing slash.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The API's base URL, such as `http://127.0.0.1:6060`, without a trailing slash.
    pub fn api_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.api_port)
    }

    /// The port on which the provider listens.
    pub fn provider_port(&self) -> u16 {
        self.provider_port
    }

    /// The port on which the API listens.
    pub fn api_port(&self) -> u16 {
        self.api_port
    }

    /// The faults of both servers.
    pub fn faults(&self) -> &Faults {
        &self.provider.faults
    }

    /// Answers like this vendor from now on; `None`: in the provider's own way, as after the start.
    /// Metadata that a client has cached stay as they are.
    pub fn set_dialect(&self, dialect: Option<Dialect>) {
        self.provider.dialect.set(dialect);
    }

    /// The number of requests to an endpoint since the start: `discovery`, `jwks`, `authorize`,
    /// `login` and `signup` (submitted forms), `token`, `userinfo`, `end-session`, `messages`.
    /// `replayed-code` counts codes that were redeemed again, `revoked` counts revoked tokens.
    /// Other names give 0. Requests of the messages API to `discovery` and `jwks` count too.
    pub fn request_count(&self, endpoint: &str) -> usize {
        self.provider.request_counts.of(endpoint)
    }

    /// Calls `discard` each time a fault is chosen on the page `/misbehave`: the application should
    /// discard its copy of the metadata, so that a fault of discovery shows at once. Only the first
    /// call has an effect.
    pub fn on_discard_metadata(&self, discard: impl Fn() + Send + Sync + 'static) {
        self.provider.on_discard(Box::new(discard));
    }

    /// Signs with a new key from now on. The key set keeps the previous key and drops older ones.
    ///
    /// # Errors
    /// [`StartError::Failed`] when the key cannot be generated.
    pub async fn rotate_keys(&self) -> Result<(), StartError> {
        self.provider.keys.rotate().await
    }

    /// A new logout token for the client (OpenID Connect Back-Channel Logout, section 2.4), with
    /// these header parameters and claims set; null removes one. It has neither `sub` nor `sid`
    /// unless `claims` does. `None` when it cannot be signed.
    pub fn logout_token(&self, header: &Value, claims: &Value) -> Option<String> {
        logout_token(&self.provider, header, claims)
    }

    /// Stops the provider, so that connections are refused. Does nothing if it is stopped.
    pub async fn stop_provider(&self) {
        if let Some(server) = self.provider_server.lock().await.take() {
            server.stop().await;
        }
    }

    /// Starts the provider again with the same port, keys, accounts and sessions. Does nothing if
    /// it is running.
    ///
    /// # Errors
    /// As [`DevelopmentServers::start`] with `next_free` false.
    pub async fn start_provider(&self) -> Result<(), StartError> {
        let mut server = self.provider_server.lock().await;
        if server.is_none() {
            *server = Some(self.launch_provider(false).await?);
        }
        Ok(())
    }

    /// Stops the API, so that connections are refused. Does nothing if it is stopped.
    pub async fn stop_api(&self) {
        if let Some(server) = self.api_server.lock().await.take() {
            server.stop().await;
        }
    }

    /// Starts the API again on the same port. Does nothing if it is running.
    ///
    /// # Errors
    /// As [`DevelopmentServers::start`] with `next_free` false.
    pub async fn start_api(&self) -> Result<(), StartError> {
        let mut server = self.api_server.lock().await;
        if server.is_none() {
            *server = Some(self.launch_api(false).await?);
        }
        Ok(())
    }

    /// Stops both.
    pub async fn stop(&self) {
        tokio::join!(self.stop_provider(), self.stop_api());
    }

    async fn launch_provider(&self, next_free: bool) -> Result<Server, StartError> {
        let provider = Arc::clone(&self.provider);
        let on_port = move |port| provider.set_port(port);
        let build = |config| {
            let count = count_requests(&self.provider.request_counts);
            endpoints::rocket(config, Arc::clone(&self.provider)).attach(count)
        };
        let templates = &self.settings.template_dir;
        Server::start(self.provider_port, next_free, templates, build, on_port).await
    }

    async fn launch_api(&self, next_free: bool) -> Result<Server, StartError> {
        let build = |config| {
            let verifier = AccessTokenVerifier::new(
                self.issuer.clone(),
                self.settings.audience.clone(),
                self.api_http.clone(),
            );
            let count = count_requests(&self.provider.request_counts);
            messages_api::rocket(config, verifier, Arc::clone(&self.provider.faults)).attach(count)
        };
        let templates = &self.settings.template_dir;
        Server::start(self.api_port, next_free, templates, build, |_| {}).await
    }
}
