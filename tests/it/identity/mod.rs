//! The OpenID Connect adapter, against the development provider with its faults and against scripted
//! providers.

mod callback;
mod client_key;
mod contract;
mod faults;
mod keys;
mod log_lines;
mod outages;
mod permissions;
mod pushed_requests;
mod refresh;
mod requests;
pub(crate) mod script;
pub(crate) mod signing_keys;
mod token_endpoint;
mod userinfo;
mod verification;

use std::{path::PathBuf, sync::Arc};

use chrono::DateTime;
use portico_adapters::{
    http::{HttpClient, Limits},
    identity::{
        ClientSecret,
        oidc::{OidcProvider, OidcSettings, Registration, ResponseMode, UserinfoPolicy, Vendor},
    },
    system::SystemClock,
    tls,
};
use portico_contracts::{fakes::ManualClock, fixtures};
use portico_development::{
    DevelopmentAccount, DevelopmentServers, DevelopmentSettings, RegisteredClient,
};
use portico_domain::{
    model::{
        AuthorizationCode, AuthorizationResponse, CodeVerifier, Identity, LoginAttempt,
        PermissionRules, Screen,
    },
    ports::{Clock, IdentityProvider, RedeemError},
};
use portico_tests::{
    http_browser::HttpBrowser,
    log_capture,
    stub_server::{Response, StubServer},
};
use url::Url;

const CLIENT_ID: &str = "portico";
/// With characters that HTTP Basic requires to be form-encoded.
const SECRET: &str = "a secret: 100 % + some";
pub(crate) const AUDIENCE: &str = "https://messages.example";

/// Attempts with different names differ in state, nonce and verifier.
pub(crate) fn attempt(name: &str) -> LoginAttempt {
    let code_verifier = CodeVerifier::new(format!("{name:-<43}"));
    LoginAttempt { code_verifier, ..fixtures::attempt(name, "/profile") }
}

/// A clock at the current second that only the test moves.
pub(crate) fn clock_at_now() -> Arc<ManualClock> {
    let clock = ManualClock::default();
    clock.advance(SystemClock.now() - DateTime::UNIX_EPOCH);
    Arc::new(clock)
}

pub(crate) fn registration(issuer: &str) -> Registration {
    Registration {
        vendor: Vendor::Any,
        issuer: issuer.into(),
        discovery_url: None,
        client_id: CLIENT_ID.into(),
        client_secret: Some(ClientSecret::new(SECRET.into())),
        client_key: None,
        client_auth_method: None,
    }
}

pub(crate) fn settings(issuer: &str) -> OidcSettings {
    OidcSettings {
        registration: registration(issuer),
        audience: None,
        scopes: ["openid", "profile", "email"].map(str::to_owned).into(),
        redirect_uri: "https://site.example/callback".into(),
        post_logout_redirect_uri: "https://site.example/".into(),
        response_mode: ResponseMode::Query,
        pushed_requests: false,
        id_token_algorithm: None,
        userinfo: UserinfoPolicy::Auto,
        permissions: PermissionRules::default(),
        required_claims: Vec::new(),
    }
}

pub(crate) fn provider(
    settings: OidcSettings,
    limits: Limits,
    clock: Arc<dyn Clock>,
) -> OidcProvider {
    let http = HttpClient::new(tls::client_config(None).unwrap(), limits).unwrap();
    OidcProvider::new(settings, http, clock).unwrap()
}

/// The development provider, a stub of the site, and a browser.
pub(crate) struct ProviderSetup {
    pub(crate) servers: DevelopmentServers,
    site: StubServer,
    browser: HttpBrowser,
}

impl ProviderSetup {
    pub(crate) async fn start() -> Self {
        let site = StubServer::start(|_| Response::html(200, "back")).await;
        // First, because Rocket would install its own logger.
        log_capture::install();
        let servers = DevelopmentServers::start(DevelopmentSettings {
            provider_port: 0,
            api_port: 0,
            next_free: false,
            client: RegisteredClient {
                id: CLIENT_ID.into(),
                secret: SECRET.into(),
                redirect_uri: site.url().join("callback").unwrap().into(),
                post_logout_redirect_uri: site.url().into(),
            },
            accounts: DevelopmentAccount::defaults(),
            audience: AUDIENCE.into(),
            template_dir: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../templates")),
        })
        .await
        .unwrap();
        let browser = HttpBrowser::new(Url::parse(servers.issuer()).unwrap());
        Self { servers, site, browser }
    }

    pub(crate) fn settings(&self) -> OidcSettings {
        OidcSettings {
            redirect_uri: self.site.url().join("callback").unwrap().into(),
            post_logout_redirect_uri: self.site.url().into(),
            ..settings(self.servers.issuer())
        }
    }

    /// A relying party without cached documents.
    fn provider(&self) -> OidcProvider {
        provider(self.settings(), Limits::default(), Arc::new(SystemClock))
    }

    fn provider_by(&self, clock: &Arc<ManualClock>) -> OidcProvider {
        provider(self.settings(), Limits::default(), clock.clone())
    }

    /// Logs in at the provider and returns its authorization response.
    async fn answer(&self, oidc: &OidcProvider, attempt: &LoginAttempt) -> AuthorizationResponse {
        let url = oidc.authorization_url(attempt, Screen::LogIn).await.unwrap();
        self.sign_in(&self.browser, &url, "user@example.com").await
    }

    /// Opens the authorization URL and logs in where the provider asks for it.
    pub(crate) async fn sign_in(
        &self,
        browser: &HttpBrowser,
        url: &str,
        email: &str,
    ) -> AuthorizationResponse {
        let mut page = browser.visit(url).await;
        if page.url.origin() != self.site.url().origin() {
            let account = [("Email", email), ("Password", "portico")];
            page = browser.submit(&page, "Log In", &account).await;
        }
        let given = |name| page.url.query_pairs().find(|(key, _)| key == name);
        let (_, code) = given("code").unwrap_or_else(|| panic!("no code in {}", page.url));
        AuthorizationResponse {
            code: AuthorizationCode::new(code),
            issuer: given("iss").map(|(_, issuer)| issuer.into()),
        }
    }

    /// A complete log-in.
    async fn log_in(&self, oidc: &OidcProvider) -> Result<Identity, RedeemError> {
        let attempt = attempt("login");
        oidc.redeem(&self.answer(oidc, &attempt).await, &attempt).await
    }

    /// Number of requests to discovery, key set, token endpoint and userinfo so far.
    fn requested(&self) -> [usize; 4] {
        ["discovery", "jwks", "token", "userinfo"]
            .map(|endpoint| self.servers.request_count(endpoint))
    }

    fn requests_since(&self, before: [usize; 4]) -> [usize; 4] {
        let now = self.requested();
        std::array::from_fn(|i| now[i] - before[i])
    }
}

/// Checks that the error is of this kind and that its cause contains the expected text.
#[track_caller]
fn assert_refused(outcome: Result<Identity, RedeemError>, expected: &RedeemError, row: &str) {
    let found = outcome.map(|identity| identity.subject).expect_err(row);
    let same_kind = std::mem::discriminant(&found) == std::mem::discriminant(expected);
    assert!(same_kind && cause(&found).contains(cause(expected)), "{row}: {found:?}");
}

fn cause(error: &RedeemError) -> &str {
    match error {
        RedeemError::WrongNonce
        | RedeemError::MissingIssuer
        | RedeemError::WrongOrganization { .. }
        | RedeemError::RequirementNotMet(_) => "",
        RedeemError::WrongIssuer(why)
        | RedeemError::CodeRejected(why)
        | RedeemError::InvalidIdentity(why)
        | RedeemError::Misconfigured(why)
        | RedeemError::ProviderFault(why)
        | RedeemError::ProviderTimeout(why) => why,
    }
}
