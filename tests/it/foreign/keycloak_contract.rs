//! The contract of [`IdentityProvider`] with Keycloak. The clause about an outage is left out, because
//! the tests share one Keycloak.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use portico_adapters::{
    http::Limits,
    identity::{
        ClientSecret,
        oidc::{OidcSettings, Registration},
    },
    system::SystemClock,
};
use portico_contracts::{identity::Stage, identity_provider_contract};
use portico_domain::{
    model::{AuthorizationCode, AuthorizationResponse},
    ports::IdentityProvider,
};
use portico_tests::{
    foreign::keycloak::{CLIENT_SECRET, Keycloak},
    http_browser::HttpBrowser,
    stub_server::{Response, StubServer},
};

use crate::identity::{provider, registration, settings};

struct WithKeycloak {
    oidc: Arc<dyn IdentityProvider>,
    browser: HttpBrowser,
    site: StubServer,
}

impl WithKeycloak {
    async fn start() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let client = format!("contract-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let site = StubServer::start(|_| Response::html(200, "back")).await;
        let keycloak = Keycloak::shared().await;
        keycloak.register(&client, &site.url(), &[]).await;
        let registration = Registration {
            client_id: client,
            client_secret: Some(ClientSecret::new(CLIENT_SECRET.into())),
            ..registration(&keycloak.issuer())
        };
        let settings = OidcSettings {
            registration,
            redirect_uri: site.url().join("callback").unwrap().into(),
            post_logout_redirect_uri: site.url().into(),
            ..settings(&keycloak.issuer())
        };
        let oidc = Arc::new(provider(settings, Limits::default(), Arc::new(SystemClock)));
        Self { oidc, browser: HttpBrowser::new(site.url()), site }
    }
}

#[async_trait]
impl Stage for WithKeycloak {
    fn relying_party(&self) -> Arc<dyn IdentityProvider> {
        self.oidc.clone()
    }

    async fn log_in(&self, authorization_url: &str) -> AuthorizationResponse {
        let mut page = self.browser.visit(authorization_url).await;
        if page.url.origin() != self.site.url().origin() {
            let account = [("Username or email", "user@example.com"), ("Password", "portico")];
            page = self.browser.submit(&page, "Sign In", &account).await;
        }
        let mut given: HashMap<_, _> = page.url.query_pairs().into_owned().collect();
        let code = given.remove("code").unwrap_or_else(|| panic!("no code in {}", page.url));
        AuthorizationResponse { code: AuthorizationCode::new(code), issuer: given.remove("iss") }
    }
}

async fn stage() -> (Arc<dyn Stage>, ()) {
    (Arc::new(WithKeycloak::start().await), ())
}

identity_provider_contract!(
    stage(),
    #[cfg_attr(not(keycloak), ignore = "Keycloak is missing: run tests/foreign/install")]
);
