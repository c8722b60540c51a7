//! The messages API over HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use portico_adapters::{
    http::{HttpClient, Limits},
    identity::oidc::OidcSettings,
    messages::HttpMessages,
    system::SystemClock,
    tls,
};
use portico_contracts::{
    Server, message_api_contract,
    messages::{self, TestApi},
};
use portico_domain::{
    model::{AccessToken, Screen},
    ports::IdentityProvider,
};
use portico_tests::http_browser::HttpBrowser;
use url::Url;

use crate::identity::{AUDIENCE, Outside, attempt, provider};

/// The access token of an account at the development provider.
async fn access_token(outside: &Outside, email: &str) -> AccessToken {
    let settings = OidcSettings { audience: Some(AUDIENCE.into()), ..outside.settings() };
    let oidc = provider(settings, Limits::default(), Arc::new(SystemClock));
    let attempt = attempt("login");
    let url = oidc.authorization_url(&attempt, Screen::LogIn).await.unwrap();
    let person = HttpBrowser::new(Url::parse(outside.servers.issuer()).unwrap());
    let response = outside.sign_in(&person, &url, email).await;
    oidc.redeem(&response, &attempt).await.unwrap().tokens.access_token
}

async fn over_http() -> (TestApi, Api) {
    let outside = Outside::start().await;
    let http = HttpClient::new(tls::client_config(None).unwrap(), Limits::default()).unwrap();
    let messages = HttpMessages::new(&outside.servers.api_url(), http).unwrap();
    let adapter = TestApi {
        messages: Arc::new(messages),
        token: access_token(&outside, "admin@example.com").await,
        limited_token: Some(access_token(&outside, "user@example.com").await),
    };
    (adapter, Api(outside))
}

struct Api(Outside);

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
