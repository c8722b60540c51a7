//! How the development servers are to be started.

use std::{fmt, path::PathBuf};

use crate::accounts_file::DevelopmentAccount;

/// The settings of [`DevelopmentServers`](crate::DevelopmentServers).
#[derive(Clone, Debug)]
pub struct DevelopmentSettings {
    /// The provider's port; 0 for any that is free.
    pub provider_port: u16,
    /// The API's port; 0 for any that is free.
    pub api_port: u16,
    /// If a port is in use, take the next free one instead of failing.
    pub next_free: bool,
    /// The only client of the provider.
    pub client: RegisteredClient,
    /// The accounts that exist from the start.
    pub accounts: Vec<DevelopmentAccount>,
    /// The API's identifier, the `aud` of its access tokens.
    pub audience: String,
    /// The folder with the templates of the provider's pages in its subfolder `development`.
    pub template_dir: PathBuf,
}

/// The registration of the relying party at the provider.
#[derive(Clone)]
pub struct RegisteredClient {
    /// The `client_id`.
    pub id: String,
    /// The `client_secret`; `Debug` hides it.
    pub secret: String,
    /// The absolute URL to redirect to after a log-in, compared exactly.
    pub redirect_uri: String,
    /// The absolute URL to redirect to after a log-out, compared exactly.
    pub post_logout_redirect_uri: String,
}

impl fmt::Debug for RegisteredClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredClient")
            .field("id", &self.id)
            .field("redirect_uri", &self.redirect_uri)
            .field("post_logout_redirect_uri", &self.post_logout_redirect_uri)
            .finish_non_exhaustive()
    }
}
