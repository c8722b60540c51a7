//! Keycloak with one realm, which the tests of a process share.

use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use url::Url;

use super::{Process, http};
use crate::{free_port::free_port, tools};

/// The password of Keycloak's administrator.
const PASSWORD: &str = "the administrator of the tests";
/// The secret of each client, with characters that HTTP Basic wants form-encoded.
pub const CLIENT_SECRET: &str = "of a Keycloak client: 100 % + some/more=";

/// A running Keycloak. Its realm has the users `user@example.com` and `admin@example.com`, password
/// `portico`. The latter has the realm roles `read:admin-messages` and `read:reports`.
pub struct Keycloak {
    url: Url,
    _process: Process,
}

impl Keycloak {
    /// The Keycloak of this process. It starts when first needed and ends with the process.
    ///
    /// # Panics
    /// When Keycloak is not installed, or does not start within three minutes.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Keycloak> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    async fn start() -> Self {
        let home = tools::foreign("keycloak")
            .unwrap_or_else(|| panic!("Keycloak is missing: run tests/foreign/install"));
        let (port, management) = (free_port(), free_port());
        let url = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
        let mut command = Command::new(home.join("bin/kc.sh"));
        command
            .args(["start", "--optimized", "--cache=local", "--http-enabled=true"])
            .args(["--http-host=127.0.0.1", "--http-management-host=127.0.0.1"])
            .arg(format!("--http-port={port}"))
            .arg(format!("--http-management-port={management}"))
            .arg(format!("--hostname={url}"))
            .env("KC_BOOTSTRAP_ADMIN_USERNAME", "admin")
            .env("KC_BOOTSTRAP_ADMIN_PASSWORD", PASSWORD)
            .env("JAVA_OPTS_KC_HEAP", "-Xms64m -Xmx512m");
        let ready = url.join("realms/master/.well-known/openid-configuration").unwrap();
        let process = Process::start(&command, &ready).await;
        let keycloak = Self { url, _process: process };
        let realm = include_str!("../../foreign/keycloak/realm.json");
        let realm: Value = serde_json::from_str(realm).unwrap();
        keycloak.administer(Method::POST, "admin/realms", Some(&realm)).await;
        keycloak
    }

    /// The issuer: the address of the realm.
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("{}realms/portico", self.url)
    }

    /// The address of an endpoint of the realm, such as `userinfo`.
    #[must_use]
    pub fn endpoint(&self, name: &str) -> String {
        format!("{}/protocol/openid-connect/{name}", self.issuer())
    }

    /// Registers a client with this id and [`CLIENT_SECRET`] for the site at that address. The
    /// attributes are added to those of `tests/foreign/keycloak/client.json`.
    ///
    /// # Panics
    /// When Keycloak refuses it.
    pub async fn register(&self, id: &str, site: &Url, attributes: &[(&str, &str)]) {
        let client = include_str!("../../foreign/keycloak/client.json");
        let mut client: Value = serde_json::from_str(client).unwrap();
        client["clientId"] = id.into();
        client["secret"] = CLIENT_SECRET.into();
        client["redirectUris"] = json!([site.join("callback").unwrap()]);
        client["protocolMappers"][0]["config"]["included.client.audience"] = id.into();
        let logout = site.join("backchannel-logout").unwrap();
        client["attributes"]["backchannel.logout.url"] = logout.as_str().into();
        client["attributes"]["post.logout.redirect.uris"] = site.as_str().into();
        for (name, value) in attributes {
            client["attributes"][*name] = (*value).into();
        }
        self.administer(Method::POST, "admin/realms/portico/clients", Some(&client)).await;
    }

    /// Ends a session as an administrator does. Keycloak then informs the session's clients.
    ///
    /// # Panics
    /// When there is no such session.
    pub async fn end_session(&self, sid: &str) {
        let path = format!("admin/realms/portico/sessions/{sid}");
        self.administer(Method::DELETE, &path, None).await;
    }

    /// The ids of a user's sessions at Keycloak.
    ///
    /// # Panics
    /// When there is no such user.
    pub async fn sessions(&self, email: &str) -> Vec<String> {
        let path = format!("admin/realms/portico/users?exact=true&email={email}");
        let users = self.administer(Method::GET, &path, None).await;
        let id = users[0]["id"].as_str().unwrap();
        let path = format!("admin/realms/portico/users/{id}/sessions");
        let sessions = self.administer(Method::GET, &path, None).await;
        let ids = sessions.as_array().unwrap().iter().map(|session| session["id"].as_str());
        ids.map(|id| id.unwrap().to_owned()).collect()
    }

    /// The response to a request of the administrator; null for a response without a body.
    async fn administer(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        // Not shared: the connections of a client end with the test that opened them.
        let http = http();
        let token = self.url.join("realms/master/protocol/openid-connect/token").unwrap();
        let form = [
            ("grant_type", "password"),
            ("client_id", "admin-cli"),
            ("username", "admin"),
            ("password", PASSWORD),
        ];
        let token = http.post(token).form(&form).send().await.unwrap();
        let token: Value = token.json().await.unwrap();
        let request = http.request(method, self.url.join(path).unwrap());
        let mut request = request.bearer_auth(token["access_token"].as_str().unwrap());
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}
