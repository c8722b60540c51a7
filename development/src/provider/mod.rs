//! The OpenID provider: authorization code flow with PKCE, one client, accounts in memory.

mod authorize;
mod discovery;
mod end_session;
mod grants;
mod http;
mod login;
mod misbehave;
mod pages;
mod revocation;
mod sign_ins;
mod token;
mod tokens;
mod userinfo;

use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use portico_adapters::{
    http::HttpClient,
    system::{SystemClock, SystemRandomness},
};
use portico_domain::ports::{Clock, Randomness};
use rocket::{Build, Rocket, figment::Figment, http::Status};
use rocket_dyn_templates::Template;
use url::Url;

use self::{grants::Grants, sign_ins::SignIns};
use super::{accounts::Accounts, faults::Faults, hits::Hits, keys::Keys, world::Client};

pub(super) use self::http::{Bearer, headers};

/// All that outlives a stop of the server.
pub(super) struct Provider {
    issuer: OnceLock<String>,
    pub(super) client: Client,
    audience: String,
    accounts: Accounts,
    sign_ins: SignIns,
    grants: Grants,
    pub(super) keys: Keys,
    pub(super) faults: Arc<Faults>,
    pub(super) hits: Arc<Hits>,
    /// Reaches the application.
    http: HttpClient,
}

impl Provider {
    pub(super) fn new(client: Client, audience: String, keys: Keys, http: HttpClient) -> Self {
        Self {
            issuer: OnceLock::new(),
            client,
            audience,
            accounts: Accounts::seeded(),
            sign_ins: SignIns::default(),
            grants: Grants::default(),
            keys,
            faults: Arc::default(),
            hits: Arc::default(),
            http,
        }
    }

    /// Fixes the issuer, which a restart on the same port does not change.
    pub(super) fn set_port(&self, port: u16) {
        self.issuer.get_or_init(|| format!("http://127.0.0.1:{port}"));
    }

    /// Without a slash at its end. Empty before the first start.
    pub(super) fn issuer(&self) -> &str {
        self.issuer.get().map(String::as_str).unwrap_or_default()
    }

    fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.issuer())
    }

    fn now(&self) -> DateTime<Utc> {
        SystemClock.now()
    }

    /// The address of the client's front page.
    fn site(&self) -> Option<String> {
        Url::parse(&self.client.redirect_uri).ok()?.join("/").ok().map(Into::into)
    }
}

/// 256 random bits, fit for a URL.
fn random() -> Result<String, Status> {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let bytes = SystemRandomness.bytes().map_err(|_| Status::InternalServerError)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// The provider, ready to launch.
pub(super) fn rocket(config: Figment, provider: Arc<Provider>) -> Rocket<Build> {
    let origin = |address: &str| Url::parse(address).ok().map(|url| url.origin());
    // Chromium applies `form-action` to the redirect that answers a form as well.
    let mut targets = "'self'".to_owned();
    for address in [&provider.client.redirect_uri, &provider.client.post_logout_redirect_uri] {
        if let Some(origin) = origin(address).map(|origin| origin.ascii_serialization())
            && !targets.contains(&origin)
        {
            targets = format!("{targets} {origin}");
        }
    }
    rocket::custom(config)
        .manage(provider)
        .attach(Template::fairing())
        .attach(headers(targets))
        .mount("/", discovery::routes())
        .mount("/", authorize::routes())
        .mount("/", login::routes())
        .mount("/", token::routes())
        .mount("/", revocation::routes())
        .mount("/", userinfo::routes())
        .mount("/", end_session::routes())
        .mount("/", misbehave::routes())
        .mount("/", pages::routes())
        .register("/", pages::catchers())
}
