//! The npm package `oidc-provider`, with `tests/foreign/oidc-provider/server.js`.

use std::process::Command;

use url::Url;

use super::Process;
use crate::{free_port::free_port, tools};

/// The secret of the client `portico`, with characters that HTTP Basic wants form-encoded.
pub const CLIENT_SECRET: &str = "of the client: 100 % + some/more=";

/// A running provider with the client `portico` and the user `user@example.com`, whom it logs in
/// without a form. Dropping it ends it.
pub struct OidcProvider {
    /// The issuer, without a final slash.
    pub issuer: String,
    _process: Process,
}

impl OidcProvider {
    /// Starts a provider for the site at this address.
    ///
    /// # Panics
    /// When it is not installed, or does not start within three minutes.
    pub async fn start(site: &Url) -> Self {
        let folder = tools::foreign("oidc_provider")
            .unwrap_or_else(|| panic!("oidc-provider is missing: run tests/foreign/install"));
        let port = free_port();
        let issuer = format!("http://127.0.0.1:{port}");
        let mut command = Command::new("node");
        command.arg(folder.join("server.js"));
        command.args([&port.to_string(), site.as_str(), CLIENT_SECRET]);
        let metadata = format!("{issuer}/.well-known/openid-configuration");
        let process = Process::start(&command, &Url::parse(&metadata).unwrap()).await;
        Self { issuer, _process: process }
    }
}
