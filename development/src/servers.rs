//! Provider and API together.

use std::{fmt, sync::Arc};

use portico_adapters::{
    http::{HttpClient, Limits},
    tls,
};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::{
    endpoints,
    error::WorldError,
    messages_api::{self, AccessTokenVerifier},
    model::{faults::Faults, keys::SigningKeys, logout_token::logout_token, provider::Provider},
    server::Server,
    settings::WorldSettings,
    web::count_requests::count_requests,
};

/// An OpenID provider and a messages API on loopback. Both end when it is dropped.
pub struct World {
    provider: Arc<Provider>,
    issuer: String,
    provider_port: u16,
    provider_server: Mutex<Option<Server>>,
    api_http: HttpClient,
    api_port: u16,
    api_server: Mutex<Option<Server>>,
    settings: WorldSettings,
}

impl World {
    /// Starts both in the current tokio runtime.
    ///
    /// # Errors
    /// [`WorldError::PortTaken`] when a port is taken and `next_free` is off;
    /// [`WorldError::Start`] when anything else is in the way.
    pub async fn start(settings: WorldSettings) -> Result<Self, WorldError> {
        let start = |error: &dyn fmt::Display| WorldError::Start(error.to_string());
        let tls = tls::client_config(None).map_err(|error| start(&error))?;
        let api_http = HttpClient::new(tls, Limits::default()).map_err(|error| start(&error))?;
        let keys = SigningKeys::new().await?;
        let provider = Arc::new(Provider::new(
            settings.client.clone(),
            settings.audience.clone(),
            keys,
            api_http.clone(),
        ));
        let mut world = Self {
            provider,
            issuer: String::new(),
            provider_port: settings.provider_port,
            provider_server: Mutex::default(),
            api_http,
            api_port: settings.api_port,
            api_server: Mutex::default(),
            settings,
        };
        let provider = world.launch_provider(world.settings.next_free).await?;
        world.provider_port = provider.port();
        world.issuer = world.provider.issuer().to_owned();
        world.provider_server = Mutex::new(Some(provider));
        let api = world.launch_api(world.settings.next_free).await?;
        world.api_port = api.port();
        world.api_server = Mutex::new(Some(api));
        Ok(world)
    }

    /// The provider's issuer, such as `http://127.0.0.1:4041`: no slash at its end.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The API's base address, such as `http://127.0.0.1:6060`: no slash at its end.
    pub fn api_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.api_port)
    }

    /// The port the provider listens on.
    pub fn provider_port(&self) -> u16 {
        self.provider_port
    }

    /// The port the API listens on.
    pub fn api_port(&self) -> u16 {
        self.api_port
    }

    /// The switches for misbehaviour.
    pub fn faults(&self) -> &Faults {
        &self.provider.faults
    }

    /// How often an endpoint was asked since the start: `discovery`, `jwks`, `authorize`,
    /// `login`, `signup` (forms sent), `token`, `userinfo`, `end-session`, `messages`. Under
    /// `replayed-code`: how many codes were redeemed a second time; under `revoked`: how many tokens
    /// were given back. 0 for other names. The API
    /// asks for discovery and keys too.
    pub fn hits(&self, endpoint: &str) -> usize {
        self.provider.request_counts.of(endpoint)
    }

    /// Signs with a new key from now on. The one before stays in the key set, older ones leave.
    ///
    /// # Errors
    /// [`WorldError::Start`] when no key can be made.
    pub async fn rotate_keys(&self) -> Result<(), WorldError> {
        self.provider.keys.rotate().await
    }

    /// A logout token that was just signed for the client (OpenID Connect Back-Channel Logout,
    /// section 2.4), with these members of its header and these claims changed; null takes one
    /// away. It names nobody unless a claim is `sub` or `sid`. `None` when it cannot be signed.
    pub fn logout_token(&self, header: &Value, claims: &Value) -> Option<String> {
        logout_token(&self.provider, header, claims)
    }

    /// Stops the provider: connections to it are refused. Stopping twice is not an error.
    pub async fn stop_provider(&self) {
        if let Some(server) = self.provider_server.lock().await.take() {
            server.stop().await;
        }
    }

    /// Starts the provider again: same port, keys, accounts and sessions. Starting one that
    /// runs is not an error.
    ///
    /// # Errors
    /// As [`World::start`]; the port does not move.
    pub async fn start_provider(&self) -> Result<(), WorldError> {
        let mut server = self.provider_server.lock().await;
        if server.is_none() {
            *server = Some(self.launch_provider(false).await?);
        }
        Ok(())
    }

    /// Stops the API: connections to it are refused. Stopping twice is not an error.
    pub async fn stop_api(&self) {
        if let Some(server) = self.api_server.lock().await.take() {
            server.stop().await;
        }
    }

    /// Starts the API again on the same port. Starting one that runs is not an error.
    ///
    /// # Errors
    /// As [`World::start`]; the port does not move.
    pub async fn start_api(&self) -> Result<(), WorldError> {
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

    async fn launch_provider(&self, next_free: bool) -> Result<Server, WorldError> {
        let provider = Arc::clone(&self.provider);
        let on_port = move |port| provider.set_port(port);
        let build = |config| {
            let count = count_requests(&self.provider.request_counts);
            endpoints::rocket(config, Arc::clone(&self.provider)).attach(count)
        };
        let templates = &self.settings.template_dir;
        Server::start(self.provider_port, next_free, templates, build, on_port).await
    }

    async fn launch_api(&self, next_free: bool) -> Result<Server, WorldError> {
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
