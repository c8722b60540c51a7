//! An HTTP client that stores cookies and follows no redirects.

use std::{collections::BTreeMap, path::PathBuf};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use http::{Request, Response};
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::{Url, form_urlencoded};

use portico_adapters::{
    http::{HttpClient, Limits},
    tls,
};
use portico_development::{DevelopmentServers, DevelopmentSettings, RegisteredClient};

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
        audience: AUDIENCE.into(),
        template_dir: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../templates")),
    }
}

/// A response.
pub(super) struct TestResponse {
    pub(super) status: u16,
    pub(super) text: String,
    pub(super) headers: http::HeaderMap,
}

impl TestResponse {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The parameters of a redirect to the client's redirect URI.
    pub(super) fn callback(&self) -> BTreeMap<String, String> {
        assert_eq!(self.status, 303, "{}", self.text);
        let location = self.headers["Location"].to_str().unwrap();
        assert!(location.starts_with(CALLBACK), "{location}");
        Url::parse(location).unwrap().query_pairs().into_owned().collect()
    }
}

pub(super) struct Browser<'s> {
    pub(super) servers: &'s DevelopmentServers,
    http: HttpClient,
    cookies: BTreeMap<String, String>,
}

impl<'s> Browser<'s> {
    pub(super) fn of(servers: &'s DevelopmentServers) -> Self {
        let http = HttpClient::new(tls::client_config(None).unwrap(), Limits::default()).unwrap();
        Self { servers, http, cookies: BTreeMap::new() }
    }

    pub(super) async fn send(&mut self, request: Request<Vec<u8>>) -> TestResponse {
        let response: Response<Vec<u8>> = self.http.send(request).await.unwrap();
        for cookie in response.headers().get_all("Set-Cookie") {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.into(), value.into());
        }
        TestResponse {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: String::from_utf8(response.into_body()).unwrap(),
        }
    }

    fn request(&self, path: &str) -> http::request::Builder {
        let cookies: Vec<_> = self.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let url = format!("{}{path}", self.servers.issuer());
        Request::builder().uri(url).header("Cookie", cookies.join("; "))
    }

    pub(super) async fn get(&mut self, path: &str) -> TestResponse {
        self.send(self.request(path).body(Vec::new()).unwrap()).await
    }

    pub(super) async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> TestResponse {
        self.post_with(path, form, &[]).await
    }

    pub(super) async fn post_with(
        &mut self,
        path: &str,
        form: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> TestResponse {
        let mut request = self
            .request(path)
            .method("POST")
            .header("Content-Type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(encoded(form).into_bytes()).unwrap()).await
    }

    /// Sends an authorization request with these parameters set; an empty value removes one.
    pub(super) async fn authorize(&mut self, changed: &[(&str, &str)]) -> TestResponse {
        let request = authorization_request(changed);
        self.get(&format!("/authorize?{}", encoded(&borrowed(&request)))).await
    }

    /// Submits the log-in form.
    pub(super) async fn log_in(&mut self, email: &str, changed: &[(&str, &str)]) -> TestResponse {
        self.fill_in("/login", changed, &[("email", email), ("password", "portico")]).await
    }

    /// Submits a form of the provider.
    pub(super) async fn fill_in(
        &mut self,
        path: &str,
        changed: &[(&str, &str)],
        filled: &[(&str, &str)],
    ) -> TestResponse {
        let request = authorization_request(changed);
        let form = [borrowed(&request), filled.to_vec()].concat();
        self.post(path, &form).await
    }

    /// Redeems a code, with these parameters set.
    pub(super) async fn redeem(&mut self, code: &str, changed: &[(&str, &str)]) -> TestResponse {
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
    pub(super) async fn tokens(&mut self, email: &str, changed: &[(&str, &str)]) -> Value {
        let code = self.log_in(email, changed).await.callback()["code"].clone();
        let response = self.redeem(&code, &[]).await;
        assert_eq!(response.status, 200, "{}", response.text);
        response.json()
    }

    pub(super) async fn request_with(&mut self, url: &str, token: Option<&str>) -> TestResponse {
        let mut request = Request::builder().uri(url);
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        self.send(request.body(Vec::new()).unwrap()).await
    }

    pub(super) async fn message(&mut self, topic: &str, token: Option<&str>) -> TestResponse {
        self.request_with(&format!("{}/api/messages/{topic}", self.servers.api_url()), token).await
    }

    pub(super) async fn userinfo(&mut self, token: &str) -> TestResponse {
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
