//! The contract of the port, with the adapter and the development provider.

use std::sync::Arc;

use async_trait::async_trait;
use portico_adapters::{http::Limits, system::SystemClock};
use portico_contracts::{
    Server,
    identity::{self, Stage},
    identity_provider_contract,
};
use portico_domain::{model::AuthorizationResponse, ports::IdentityProvider};

use super::{ProviderSetup, provider};

struct WithProvider {
    setup: ProviderSetup,
    oidc: Arc<dyn IdentityProvider>,
}

impl WithProvider {
    async fn start() -> Self {
        let setup = ProviderSetup::start().await;
        let mut settings = setup.settings();
        settings.scopes.push("offline_access".into());
        let oidc = Arc::new(provider(settings, Limits::default(), Arc::new(SystemClock)));
        Self { setup, oidc }
    }
}

#[async_trait]
impl Stage for WithProvider {
    fn relying_party(&self) -> Arc<dyn IdentityProvider> {
        self.oidc.clone()
    }

    async fn log_in(&self, authorization_url: &str) -> AuthorizationResponse {
        let email = "user@example.com";
        self.setup.sign_in(&self.setup.browser, authorization_url, email).await
    }
}

struct DevelopmentProvider(Arc<WithProvider>);

#[async_trait]
impl Server for DevelopmentProvider {
    async fn stop(&mut self) {
        self.0.setup.servers.stop_provider().await;
    }

    async fn start_again(&mut self) {
        self.0.setup.servers.start_provider().await.unwrap();
    }
}

async fn stage() -> (Arc<dyn Stage>, ()) {
    (Arc::new(WithProvider::start().await), ())
}

identity_provider_contract!(stage());

#[tokio::test]
async fn reports_outage_without_ending_sessions() {
    let stage = Arc::new(WithProvider::start().await);
    identity::reports_outage_without_ending_sessions(
        stage.clone(),
        &mut DevelopmentProvider(stage),
    )
    .await;
}
