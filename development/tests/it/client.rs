//! A client of the development servers.

use std::{collections::BTreeMap, path::PathBuf};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use portico_development::{
    DevelopmentAccount, DevelopmentServers, DevelopmentSettings, RegisteredClient,
};
use portico_test_http::{http_browser::HttpBrowser, page::Page};
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::form_urlencoded;

pub(super) const AUDIENCE: &str = "https://messages.example";
pub(super) const VERIFIER: &str = "0123456789-0123456789-0123456789-0123456789";
pub(super) const CALLBACK: &str = "http://127.0.0.1:4040/callback";
pub(super) const HOME: &str = "http://127.0.0.1:4040/";

pub(super) fn settings() -> DevelopmentSettings {
    DevelopmentSettings {
        provider_port: 0,
        api_port: 0,
        next_free: false,
        client: RegisteredClient {
            id: "portico".into(),
            secret: "a secret: 100 % + some".into(),
            redirect_uri: CALLBACK.into(),
            post_logout_redirect_uri: HOME.into(),
        },
        accounts: DevelopmentAccount::defaults(),
        audience: AUDIENCE.into(),
        template_dir: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../templates")),
    }
}

/// The parameters of a redirect to the client's redirect URI.
pub(super) trait Callback {
    fn callback(&self) -> BTreeMap<String, String>;
}

impl Callback for Page {
    fn callback(&self) -> BTreeMap<String, String> {
        assert_eq!(self.status, 303, "{}", self.body);
        let location = self.location().unwrap();
        assert!(location.as_str().starts_with(CALLBACK), "{location}");
        location.query_pairs().into_owned().collect()
    }
}

/// The registered client together with the user's browser.
pub(super) struct Client<'s> {
    servers: &'s DevelopmentServers,
    browser: HttpBrowser,
}

impl<'s> Client<'s> {
    pub(super) fn of(servers: &'s DevelopmentServers) -> Self {
        Self { servers, browser: HttpBrowser::new(servers.issuer().parse().unwrap()) }
    }

    pub(super) async fn get(&self, path: &str) -> Page {
        self.browser.get(path).await
    }

    pub(super) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Page {
        self.post_with(path, form, &[]).await
    }

    pub(super) async fn post_with(
        &self,
        path: &str,
        form: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Page {
        self.browser.post(path, form, headers).await
    }

    /// Sends an authorization request with these parameters set; an empty value removes one.
    pub(super) async fn authorize(&self, changed: &[(&str, &str)]) -> Page {
        let request = authorization_request(changed);
        self.get(&format!("/authorize?{}", encoded(&borrowed(&request)))).await
    }

    /// Submits the log-in form.
    pub(super) async fn log_in(&self, email: &str, changed: &[(&str, &str)]) -> Page {
        self.fill_in("/login", changed, &[("email", email), ("password", "portico")]).await
    }

    /// Submits a form of the provider.
    pub(super) async fn fill_in(
        &self,
        path: &str,
        changed: &[(&str, &str)],
        filled: &[(&str, &str)],
    ) -> Page {
        let request = authorization_request(changed);
        let form = [borrowed(&request), filled.to_vec()].concat();
        self.post(path, &form).await
    }

    /// Redeems a code, with these parameters set.
    pub(super) async fn redeem(&self, code: &str, changed: &[(&str, &str)]) -> Page {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            ("client_id", "portico"),
            ("client_secret", "a secret: 100 % + some"),
        ];
        for (name, value) in changed {
            form.retain(|(key, _)| key != name);
            form.push((name, value));
        }
        self.post("/token", &form).await
    }

    /// Logs in, redeems the code and returns the token response.
    pub(super) async fn tokens(&self, email: &str, changed: &[(&str, &str)]) -> Value {
        let code = self.log_in(email, changed).await.callback()["code"].clone();
        let response = self.redeem(&code, &[]).await;
        assert_eq!(response.status, 200, "{}", response.body);
        response.json()
    }

    pub(super) async fn request_with(&self, url: &str, token: Option<&str>) -> Page {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> =
            authorization.iter().map(|value| ("Authorization", value.as_str())).collect();
        self.browser.get_with(url, &headers).await
    }

    pub(super) async fn message(&self, topic: &str, token: Option<&str>) -> Page {
        self.request_with(&format!("{}/api/messages/{topic}", self.servers.api_url()), token).await
    }

    pub(super) async fn userinfo(&self, token: &str) -> Page {
        self.request_with(&format!("{}/userinfo", self.servers.issuer()), Some(token)).await
    }
}

fn authorization_request(changed: &[(&str, &str)]) -> BTreeMap<String, String> {
    let challenge = BASE64.encode(Sha256::digest(VERIFIER));
    let mut request: BTreeMap<String, String> = [
        ("response_type", "code"),
        ("client_id", "portico"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid profile email"),
        ("state", "a state"),
        ("nonce", "a nonce"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("audience", AUDIENCE),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for (name, value) in changed {
        request.insert((*name).into(), (*value).into());
    }
    request.retain(|_, value| !value.is_empty());
    request
}

fn borrowed(map: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    map.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

pub(super) fn encoded(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// A token's claims, unverified.
pub(super) fn claims(token: &Value) -> Value {
    let claims = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64.decode(claims).unwrap()).unwrap()
}
