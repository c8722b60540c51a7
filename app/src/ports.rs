//! What the routes and guards are handed: every port, with its type erased once.

use std::sync::Arc;

use portico_adapters::sessions::Sessions;
use portico_domain::{
    model::{Lifetimes, NextPage},
    ports::{Clock, IdentityProvider, MessageApi, Randomness, SessionRegistry, UserRepository},
};
use url::Url;

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
    /// The site's own origin, as browsers know it.
    pub origin: String,
}

impl About {
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
