//! The contract of [`IdentityProvider`] with django-oauth-toolkit. The clause about an outage is left
//! out, because the tests share one Django.

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
    foreign::django::{CLIENT_SECRET, Django},
    http_browser::HttpBrowser,
    stub_server::{Response, StubServer},
};

use crate::identity::{provider, registration, settings};

struct WithDjango {
    oidc: Arc<dyn IdentityProvider>,
    browser: HttpBrowser,
    username: String,
    site: StubServer,
}

impl WithDjango {
    async fn start() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let client = format!("contract-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let site = StubServer::start(|_| Response::html(200, "back")).await;
        let django = Django::shared().await;
        django.register(&client, &site.url()).await;
        let username = format!("user-{client}");
        let registration = Registration {
            client_id: client,
            client_secret: Some(ClientSecret::new(CLIENT_SECRET.into())),
            ..registration(&django.issuer)
        };
        let settings = OidcSettings {
            registration,
            redirect_uri: site.url().join("callback").unwrap().into(),
            post_logout_redirect_uri: site.url().into(),
            // The toolkit refuses `offline_access`, and issues refresh tokens without it.
            scopes: ["openid", "profile", "email"].map(String::from).to_vec(),
            ..settings(&django.issuer)
        };
        let oidc = Arc::new(provider(settings, Limits::default(), Arc::new(SystemClock)));
        Self { oidc, browser: HttpBrowser::new(site.url()), username, site }
    }
}

#[async_trait]
impl Stage for WithDjango {
    fn relying_party(&self) -> Arc<dyn IdentityProvider> {
        self.oidc.clone()
    }

    async fn log_in(&self, authorization_url: &str) -> AuthorizationResponse {
        let mut page = self.browser.visit(authorization_url).await;
        if page.url.path() == "/accounts/login/" {
            let account = [("Username:", self.username.as_str()), ("Password:", "portico")];
            page = self.browser.submit(&page, "Continue", &account).await;
        }
        // Consent is asked at each log-in.
        let page = self.browser.submit(&page, "Authorize", &[]).await;
        assert_eq!(page.url.origin(), self.site.url().origin(), "{}", page.text());
        let mut given: HashMap<_, _> = page.url.query_pairs().into_owned().collect();
        let code = given.remove("code").unwrap_or_else(|| panic!("no code in {}", page.url));
        AuthorizationResponse { code: AuthorizationCode::new(code), issuer: given.remove("iss") }
    }
}

async fn stage() -> (Arc<dyn Stage>, ()) {
    (Arc::new(WithDjango::start().await), ())
}

identity_provider_contract!(
    stage(),
    #[cfg_attr(not(django), ignore = "django-oauth-toolkit is missing: run tests/foreign/install")]
);
