//! What routes and guards are given: every port, and the use cases over them.

use std::sync::Arc;

use portico_adapters::sessions::{LoginAttemptStores, SessionStores};
use portico_domain::{
    model::{AuthorizationParameters, EntryRules, Lifetimes, LinkParameters, NextPage},
    ports::{
        Clock, IdentityProvider, MessageApi, Randomness, RefreshError, ReplayGuard,
        SessionRegistry, UserRepository, UsersUnavailable,
    },
    use_cases::{
        BackChannelLogout, BeginLogin, CompleteLogin, FrontChannelLogout, LoadSession, LogOut,
        ManageSessions, ReadMessage,
    },
};
use rocket::Request;
use url::Url;

use crate::web::client_address::TrustedProxies;

/// The ports of one site.
#[derive(Clone)]
pub struct Ports {
    /// The identity provider.
    pub identity: Arc<dyn IdentityProvider>,
    /// The users who have logged in.
    pub users: Arc<dyn UserRepository>,
    /// Makes the session store of one request.
    pub sessions: Arc<dyn SessionStores>,
    /// Makes the log-in attempts of one request.
    pub attempts: Arc<dyn LoginAttemptStores>,
    /// All sessions.
    pub registry: Arc<dyn SessionRegistry>,
    /// Values that are accepted once.
    pub replay_guard: Arc<dyn ReplayGuard>,
    /// The messages API.
    pub messages: Arc<dyn MessageApi>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub randomness: Arc<dyn Randomness>,
    /// How long sessions last.
    pub lifetimes: Lifetimes,
    /// Who may log in.
    pub entry_rules: Arc<EntryRules>,
}

impl Ports {
    pub(crate) fn begin_login(&self) -> BeginLogin<'_> {
        BeginLogin { identity: &*self.identity, clock: &*self.clock, randomness: &*self.randomness }
    }

    pub(crate) fn complete_login(&self) -> CompleteLogin<'_> {
        CompleteLogin {
            identity: &*self.identity,
            users: &*self.users,
            clock: &*self.clock,
            randomness: &*self.randomness,
            rules: &self.entry_rules,
        }
    }

    pub(crate) fn load_session(&self) -> LoadSession<'_> {
        LoadSession { clock: &*self.clock, lifetimes: self.lifetimes }
    }

    pub(crate) fn log_out(&self) -> LogOut<'_> {
        LogOut { identity: &*self.identity, randomness: &*self.randomness }
    }

    pub(crate) fn back_channel_logout(&self) -> BackChannelLogout<'_> {
        BackChannelLogout {
            identity: &*self.identity,
            registry: &*self.registry,
            replay_guard: &*self.replay_guard,
            clock: &*self.clock,
        }
    }

    pub(crate) fn front_channel_logout<'a>(
        &'a self,
        sessions: &'a dyn portico_domain::ports::SessionStore,
    ) -> FrontChannelLogout<'a> {
        FrontChannelLogout { identity: &*self.identity, sessions, registry: &*self.registry }
    }

    pub(crate) fn manage_sessions(&self) -> ManageSessions<'_> {
        ManageSessions { registry: &*self.registry, identity: &*self.identity }
    }

    pub(crate) fn read_message<'a>(
        &'a self,
        on_renewal_failure: &'a (dyn Fn(&RefreshError) + Sync),
        on_unrecorded: &'a (dyn Fn(&UsersUnavailable) + Sync),
    ) -> ReadMessage<'a> {
        ReadMessage {
            api: &*self.messages,
            identity: &*self.identity,
            clock: &*self.clock,
            rules: &self.entry_rules,
            on_renewal_failure,
            users: &*self.users,
            on_unrecorded,
        }
    }

    /// The ports that the site manages for this request's Rocket; `None` in a Rocket that is not
    /// the site's.
    pub(crate) fn of<'r>(request: &'r Request<'_>) -> Option<&'r Self> {
        request.rocket().state()
    }
}

/// What is no port and yet differs from site to site.
#[derive(Clone, Debug)]
pub struct About {
    /// Whether users log in at the development provider: the pages say so.
    pub development: bool,
    /// Whether browsers reach the site by https.
    pub https: bool,
    /// The provider's origin (`http://host:port`): pictures of users may come from there as well as
    /// from any https origin.
    pub provider_origin: String,
    /// The proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: TrustedProxies,
    /// The site's own origin, as browsers know it.
    pub origin: String,
    /// The parameters that a link to `/login` may set.
    pub link_parameters: LinkParameters,
    /// Further parameters of the authorization request at sign-up.
    pub sign_up_parameters: AuthorizationParameters,
}

impl About {
    /// Whether pages show a button to sign up: not where it would lead to the provider's log-in page.
    pub(crate) fn shows_sign_up(&self, ports: &Ports) -> bool {
        !self.sign_up_parameters.is_empty() || ports.identity.offers_sign_up()
    }

    /// The page of this site at an absolute address. `None` for any other address.
    pub(crate) fn own_page(&self, address: &str) -> Option<NextPage> {
        let url = Url::parse(address).ok()?;
        if url.origin().ascii_serialization() != self.origin || !url.username().is_empty() {
            return None;
        }
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        NextPage::parse(&format!("{}{query}", url.path()))
    }
}
