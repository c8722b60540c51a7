//! The messages API over HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use http::StatusCode;
use portico_adapters::{
    http::{HttpClient, Limits},
    identity::oidc::OidcSettings,
    messages::{HttpMessages, LocalMessages},
    system::SystemClock,
    tls,
};
use portico_contracts::{
    Server, message_api_contract,
    messages::{self, TestApi},
};
use portico_domain::{
    model::{Permissions, Reader, Screen},
    ports::IdentityProvider,
};
use portico_tests::{
    http_browser::HttpBrowser,
    site::{Change, Site, SiteOptions},
};
use url::Url;

use crate::identity::{AUDIENCE, ProviderSetup, attempt, provider};

/// An account at the development provider. The API sees the access token alone.
async fn reader(setup: &ProviderSetup, email: &str) -> Reader {
    let settings = OidcSettings { audience: Some(AUDIENCE.into()), ..setup.settings() };
    let oidc = provider(settings, Limits::default(), Arc::new(SystemClock));
    let attempt = attempt("login");
    let url = oidc.authorization_url(&attempt, Screen::LogIn).await.unwrap();
    let browser = HttpBrowser::new(Url::parse(setup.servers.issuer()).unwrap());
    let response = setup.sign_in(&browser, &url, email).await;
    let access_token = oidc.redeem(&response, &attempt).await.unwrap().tokens.access_token;
    Reader { access_token, permissions: Permissions::default() }
}

async fn over_http() -> (TestApi, Api) {
    let setup = ProviderSetup::start().await;
    let http = HttpClient::new(tls::client_config(None).unwrap(), Limits::default()).unwrap();
    let messages = HttpMessages::new(&setup.servers.api_url(), http).unwrap();
    let adapter = TestApi {
        messages: Arc::new(messages),
        reader: reader(&setup, "admin@example.com").await,
        limited_reader: reader(&setup, "user@example.com").await,
        verifies_tokens: true,
    };
    (adapter, Api(setup))
}

struct Api(ProviderSetup);

#[async_trait]
impl Server for Api {
    async fn stop(&mut self) {
        self.0.servers.stop_api().await;
    }

    async fn start_again(&mut self) {
        self.0.servers.start_api().await.unwrap();
    }
}

message_api_contract!(over_http());

#[tokio::test]
async fn reports_outage_without_refusing() {
    let (adapter, mut api) = over_http().await;
    messages::reports_outage_without_refusing(adapter, &mut api).await;
}

#[tokio::test]
async fn site_without_api_shows_admin_message_with_permission_only() {
    let change: Change = Box::new(|ports| ports.messages = Arc::new(LocalMessages));
    let site =
        Site::start_with(SiteOptions { ports: Some(change), ..SiteOptions::default() }).await;
    let (user, _) = site.signed_in("user@example.com").await;
    let refused = user.get("/admin").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
    assert!(refused.text().contains("Permission denied"), "{}", refused.text());
    assert_eq!(user.get("/protected").await.status, StatusCode::OK);

    let (admin, _) = site.signed_in("admin@example.com").await;
    let message = admin.get("/admin").await;
    assert_eq!(message.status, StatusCode::OK);
    assert!(message.text().contains("This is an admin message."), "{}", message.text());
}
