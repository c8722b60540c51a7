//! The provider's state: one client, accounts, sessions, grants and keys, all in memory.

use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use portico_adapters::{http::HttpClient, system::SystemClock};
use portico_domain::ports::Clock;
use url::Url;

use super::{
    accounts::Accounts, faults::Faults, grants::Grants, keys::SigningKeys,
    request_counts::RequestCounts, sessions::ProviderSessions,
};
use crate::{accounts_file::DevelopmentAccount, settings::RegisteredClient};

/// The state of the provider, which outlives a stop of its server.
pub(crate) struct Provider {
    issuer: OnceLock<String>,
    pub(crate) client: RegisteredClient,
    pub(crate) audience: String,
    pub(crate) accounts: Accounts,
    pub(crate) sessions: ProviderSessions,
    pub(crate) grants: Grants,
    pub(crate) keys: SigningKeys,
    pub(crate) faults: Arc<Faults>,
    pub(crate) request_counts: Arc<RequestCounts>,
    /// Makes the application discard its copy of the metadata.
    on_discard: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// For requests to the client, such as logout tokens.
    pub(crate) http: HttpClient,
}

impl Provider {
    pub(crate) fn new(
        client: RegisteredClient,
        accounts: &[DevelopmentAccount],
        audience: String,
        keys: SigningKeys,
        http: HttpClient,
    ) -> Self {
        Self {
            issuer: OnceLock::new(),
            client,
            audience,
            accounts: Accounts::new(accounts),
            sessions: ProviderSessions::default(),
            grants: Grants::default(),
            keys,
            faults: Arc::default(),
            request_counts: Arc::default(),
            on_discard: OnceLock::new(),
            http,
        }
    }

    /// Derives the issuer from the port. Only the first call has an effect.
    pub(crate) fn set_port(&self, port: u16) {
        self.issuer.get_or_init(|| format!("http://127.0.0.1:{port}"));
    }

    /// Calls `discard` where the application must fetch the metadata again. Only the first call has an
    /// effect.
    pub(crate) fn on_discard(&self, discard: Box<dyn Fn() + Send + Sync>) {
        self.on_discard.get_or_init(|| discard);
    }

    /// Makes the application fetch the metadata again, if it can be told.
    pub(crate) fn discard_metadata(&self) {
        if let Some(discard) = self.on_discard.get() {
            discard();
        }
    }

    /// The issuer, without a trailing slash. Empty before [`Provider::set_port`].
    pub(crate) fn issuer(&self) -> &str {
        self.issuer.get().map(String::as_str).unwrap_or_default()
    }

    /// The URL of a path.
    pub(crate) fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.issuer())
    }

    /// The current time.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        SystemClock.now()
    }

    /// The URL of the client's home page; `None` if its redirect URI is malformed.
    pub(crate) fn site(&self) -> Option<String> {
        Url::parse(&self.client.redirect_uri).ok()?.join("/").ok().map(Into::into)
    }
}
