//! The provider's state: one client, accounts, sessions, grants and keys, all in memory.

use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use portico_adapters::{http::HttpClient, system::SystemClock};
use portico_domain::ports::Clock;
use serde_json::{Value, json};
use url::Url;

use super::{
    accounts::Accounts,
    dialect::CurrentDialect,
    faults::Faults,
    grants::{Grant, Grants},
    keys::SigningKeys,
    overrides::{Overrides, filled, merged},
    request_counts::RequestCounts,
    sessions::ProviderSessions,
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
    pub(crate) dialect: CurrentDialect,
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
            dialect: CurrentDialect::default(),
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

    /// `own` as the dialect has it: with the merge patch that `pick` chooses, whose placeholders stand
    /// for values of the provider and of the grant, if there is one.
    pub(crate) fn in_dialect(
        &self,
        own: Value,
        grant: Option<&Grant>,
        pick: impl FnOnce(&'static Overrides) -> Option<&'static Value>,
    ) -> Value {
        let Some(patch) = pick(self.dialect.overrides()).filter(|patch| !patch.is_null()) else {
            return own;
        };
        let mut values = json!({ "client_id": self.client.id, "now": self.now().timestamp() });
        if let Some(grant) = grant {
            values["email"] = grant.account.email.as_str().into();
            values["subject"] = grant.account.subject.as_str().into();
            values["permissions"] = grant.account.permissions.clone().into();
            values["scope"] = grant.scope.join(" ").into();
            values["sid"] = grant.sid.clone().into();
        }
        merged(own, &filled(patch, &values))
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
