//! What the routes and guards are handed: every port, with its type erased once.

use std::sync::Arc;

use portico_adapters::sessions::Sessions;
use portico_domain::{
    model::Lifetimes,
    ports::{Clock, IdentityProvider, MessageApi, Randomness, SessionRegistry, UserRepository},
};

/// The ports of one site.
#[derive(Clone)]
pub struct Ports {
    /// Who tells who people are.
    pub identity: Arc<dyn IdentityProvider>,
    /// Who remembers them.
    pub users: Arc<dyn UserRepository>,
    /// Who makes the session store of one request.
    pub sessions: Arc<dyn Sessions>,
    /// Who knows all sessions, and ends those of others than the visitor.
    pub registry: Arc<dyn SessionRegistry>,
    /// Who has the messages.
    pub messages: Arc<dyn MessageApi>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub randomness: Arc<dyn Randomness>,
    /// How long sessions last.
    pub lifetimes: Lifetimes,
}

/// What is not a port and yet differs from site to site.
#[derive(Clone, Debug)]
pub struct About {
    /// Whether people sign in at the development provider: the pages say so.
    pub development: bool,
    /// Whether browsers come by https.
    pub https: bool,
    /// The provider's origin (`http://host:port`): a person's picture may come from there as well
    /// as from any https origin.
    pub provider_origin: String,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<ipnet::IpNet>,
}
