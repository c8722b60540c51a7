use std::sync::Arc;

use portico_adapters::{
    http::HttpClient,
    identity::oidc::{OidcProvider, OidcSettings, Registration},
};
use portico_domain::ports::{Clock, IdentityProvider};

use super::AssembleError;
use crate::config::{Provider, Settings};

/// The provider and the messages API that the site uses.
pub(crate) struct Connected {
    pub(crate) registration: Registration,
    pub(crate) audience: Option<String>,
    /// `None` where messages are answered locally.
    pub(crate) api_url: Option<String>,
    #[cfg(feature = "development")]
    pub(crate) development_servers: Option<portico_development::DevelopmentServers>,
}

impl Connected {
    /// Those of the settings; starts the development provider and API where there are none.
    pub(crate) async fn of(settings: &Settings) -> Result<Self, AssembleError> {
        match Self::registered(settings) {
            Some(registered) => Ok(registered),
            #[cfg(feature = "development")]
            None => crate::development::start(settings).await,
            #[cfg(not(feature = "development"))]
            None => {
                Err(AssembleError::Development("built without the development provider".into()))
            }
        }
    }

    /// Those of the settings; `None` where the settings name no provider.
    pub(super) fn registered(settings: &Settings) -> Option<Self> {
        match &settings.provider {
            Provider::Registered(registration) => Some(Self {
                registration: Registration::clone(registration),
                audience: settings.audience.clone(),
                api_url: settings.api_server_url.clone(),
                #[cfg(feature = "development")]
                development_servers: None,
            }),
            Provider::Development => None,
        }
    }
}

/// The identity provider. Waits for no server.
pub(crate) fn open_identity(
    settings: &Settings,
    provider: &Connected,
    http: HttpClient,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn IdentityProvider>, AssembleError> {
    let required = settings.entry_rules.required_claims.iter();
    let settings = OidcSettings {
        registration: provider.registration.clone(),
        audience: provider.audience.clone(),
        scopes: settings.scopes.clone(),
        redirect_uri: settings.address_of("/callback"),
        post_logout_redirect_uri: settings.address_of("/"),
        response_mode: settings.response_mode,
        pushed_requests: settings.pushed_requests,
        id_token_algorithm: settings.client.id_token_algorithm.clone(),
        userinfo: settings.client.userinfo,
        permissions: settings.permissions.clone(),
        required_claims: required.map(|required| required.path.clone()).collect(),
    };
    let identity = OidcProvider::new(settings, http, clock)?;
    #[cfg(feature = "development")]
    if let Some(servers) = &provider.development_servers {
        let identity = identity.clone();
        servers.on_discard_metadata(move || identity.discard_metadata());
    }
    Ok(Arc::new(identity))
}
