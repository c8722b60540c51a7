//! How the development servers are to be started.

use std::{fmt, path::PathBuf};

/// What the world is to be like.
#[derive(Clone, Debug)]
pub struct WorldSettings {
    /// The provider's port; 0 for any that is free.
    pub provider_port: u16,
    /// The API's port; 0 for any that is free.
    pub api_port: u16,
    /// A taken port leads to the next free one instead of an error.
    pub next_free: bool,
    /// The one client that the provider knows.
    pub client: Client,
    /// The API's identifier, the `aud` of its access tokens.
    pub audience: String,
    /// The folder that holds `development/`, the provider's pages.
    pub template_dir: PathBuf,
}

/// The relying party, as it is registered at the provider.
#[derive(Clone)]
pub struct Client {
    /// The `client_id`.
    pub id: String,
    /// The `client_secret`; `Debug` hides it.
    pub secret: String,
    /// The absolute address to return to after a login; compared exactly.
    pub redirect_uri: String,
    /// The absolute address to return to after a log-out; compared exactly.
    pub post_logout_redirect_uri: String,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("redirect_uri", &self.redirect_uri)
            .field("post_logout_redirect_uri", &self.post_logout_redirect_uri)
            .finish_non_exhaustive()
    }
}
