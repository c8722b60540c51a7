//! A browser of few words: keeps cookies, follows nothing by itself.

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
use portico_development::{Client, World, WorldSettings};

pub(super) const AUDIENCE: &str = "https://messages.example";
pub(super) const VERIFIER: &str = "0123456789-0123456789-0123456789-0123456789";
pub(super) const BACK: &str = "http://127.0.0.1:4040/callback";
pub(super) const HOME: &str = "http://127.0.0.1:4040/";

pub(super) fn settings() -> WorldSettings {
    WorldSettings {
        provider_port: 0,
        api_port: 0,
        next_free: false,
        client: Client {
            id: "portico".into(),
            secret: "a secret: 100 % + some".into(),
            redirect_uri: BACK.into(),
            post_logout_redirect_uri: HOME.into(),
        },
        audience: AUDIENCE.into(),
        template_dir: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../templates")),
    }
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) text: String,
    pub(super) headers: http::HeaderMap,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The query of the address it leads to, which must be the client's.
    pub(super) fn back(&self) -> BTreeMap<String, String> {
        assert_eq!(self.status, 303, "{}", self.text);
        let location = self.headers["Location"].to_str().unwrap();
        assert!(location.starts_with(BACK), "{location}");
        Url::parse(location).unwrap().query_pairs().into_owned().collect()
    }
}

pub(super) struct Browser<'w> {
    pub(super) world: &'w World,
    http: HttpClient,
    cookies: BTreeMap<String, String>,
}

impl<'w> Browser<'w> {
    pub(super) fn of(world: &'w World) -> Self {
        let http = HttpClient::new(tls::client_config(None).unwrap(), Limits::default()).unwrap();
        Self { world, http, cookies: BTreeMap::new() }
    }

    pub(super) async fn send(&mut self, request: Request<Vec<u8>>) -> Answer {
        let response: Response<Vec<u8>> = self.http.send(request).await.unwrap();
        for cookie in response.headers().get_all("Set-Cookie") {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.into(), value.into());
        }
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: String::from_utf8(response.into_body()).unwrap(),
        }
    }

    fn request(&self, path: &str) -> http::request::Builder {
        let cookies: Vec<_> = self.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let address = format!("{}{path}", self.world.issuer());
        Request::builder().uri(address).header("Cookie", cookies.join("; "))
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.send(self.request(path).body(Vec::new()).unwrap()).await
    }

    pub(super) async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.post_with(path, form, &[]).await
    }

    pub(super) async fn post_with(
        &mut self,
        path: &str,
        form: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = self
            .request(path)
            .method("POST")
            .header("Content-Type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(encoded(form).into_bytes()).unwrap()).await
    }

    /// An authorization request, with these parameters changed; empty means left out.
    pub(super) async fn authorize(&mut self, changed: &[(&str, &str)]) -> Answer {
        let request = authorization(changed);
        self.get(&format!("/authorize?{}", encoded(&borrowed(&request)))).await
    }

    /// Sends the log-in form.
    pub(super) async fn log_in(&mut self, email: &str, changed: &[(&str, &str)]) -> Answer {
        self.fill_in("/login", changed, &[("email", email), ("password", "portico")]).await
    }

    /// Sends a form of the provider's.
    pub(super) async fn fill_in(
        &mut self,
        path: &str,
        changed: &[(&str, &str)],
        filled: &[(&str, &str)],
    ) -> Answer {
        let request = authorization(changed);
        let form = [borrowed(&request), filled.to_vec()].concat();
        self.post(path, &form).await
    }

    /// Redeems a code, with these parameters changed.
    pub(super) async fn redeem(&mut self, code: &str, changed: &[(&str, &str)]) -> Answer {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", BACK),
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

    /// Logs in and redeems: the token response.
    pub(super) async fn tokens(&mut self, email: &str, changed: &[(&str, &str)]) -> Value {
        let code = self.log_in(email, changed).await.back()["code"].clone();
        let answer = self.redeem(&code, &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    pub(super) async fn ask(&mut self, address: &str, token: Option<&str>) -> Answer {
        let mut request = Request::builder().uri(address);
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        self.send(request.body(Vec::new()).unwrap()).await
    }

    pub(super) async fn message(&mut self, topic: &str, token: Option<&str>) -> Answer {
        self.ask(&format!("{}/api/messages/{topic}", self.world.api_url()), token).await
    }

    pub(super) async fn userinfo(&mut self, token: &str) -> Answer {
        self.ask(&format!("{}/userinfo", self.world.issuer()), Some(token)).await
    }
}

fn authorization(changed: &[(&str, &str)]) -> BTreeMap<String, String> {
    let challenge = BASE64.encode(Sha256::digest(VERIFIER));
    let mut request: BTreeMap<String, String> = [
        ("response_type", "code"),
        ("client_id", "portico"),
        ("redirect_uri", BACK),
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
