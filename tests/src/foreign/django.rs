//! Django with django-oauth-toolkit: `tests/foreign/django/server.py`, which the tests of a process
//! share.

use std::{path::Path, process::Command};

use serde_json::json;
use tokio::sync::OnceCell;
use url::Url;

use super::{Process, http};
use crate::{free_port::free_port, tools};

/// The secret of each client, with characters that HTTP Basic wants form-encoded.
pub const CLIENT_SECRET: &str = "of a Django application: 100 % + some/more=";

/// A running Django. Its access tokens end after four seconds.
pub struct Django {
    /// The issuer, without a final slash.
    pub issuer: String,
    _process: Process,
}

impl Django {
    /// The Django of this process. It starts when first needed and ends with the process.
    ///
    /// # Panics
    /// When it is not installed, or does not start within three minutes.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Django> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    async fn start() -> Self {
        let folder = tools::foreign("django")
            .unwrap_or_else(|| panic!("Django is missing: run tests/foreign/install"));
        let port = free_port();
        let issuer = format!("http://127.0.0.1:{port}/o");
        let mut command = Command::new(folder.join("bin/python"));
        let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign/django/server.py");
        command.arg(server).arg(port.to_string());
        let metadata = format!("{issuer}/.well-known/openid-configuration");
        let process = Process::start(&command, &Url::parse(&metadata).unwrap()).await;
        Self { issuer, _process: process }
    }

    /// The address of an endpoint, such as `userinfo`.
    #[must_use]
    pub fn endpoint(&self, name: &str) -> String {
        format!("{}/{name}/", self.issuer)
    }

    /// Registers a client with this id and [`CLIENT_SECRET`] for the site at that address, and the users
    /// `user-<id>` and `admin-<id>`, password `portico`. The latter is in the group
    /// `read:admin-messages`.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn register(&self, id: &str, site: &Url) {
        let address = Url::parse(&self.issuer).unwrap().join("/applications").unwrap();
        let application = json!({
            "client_id": id,
            "client_secret": CLIENT_SECRET,
            "name": "Portico",
            "redirect_uris": site.join("callback").unwrap(),
            "post_logout_redirect_uris": site,
        });
        let response = http().post(address).json(&application).send().await.unwrap();
        assert_eq!(response.status(), 201, "{}", response.text().await.unwrap_or_default());
    }
}
