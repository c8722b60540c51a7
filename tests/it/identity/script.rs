//! A provider whose every word a test writes.

use std::sync::{Arc, Mutex};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use portico_adapters::{
    http::Limits,
    identity::oidc::{OidcProvider, OidcSettings},
    system::SystemClock,
};
use portico_domain::{
    model::{AuthorizationCode, AuthorizationResponse, Identity},
    ports::{Clock, IdentityProvider, RedeemError},
};
use portico_tests::tiny_server::{Answer, Request, TinyServer};
use ring::{
    digest,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair,
    },
};
use serde_json::{Value, json};

use super::{CLIENT_ID, attempt, provider, settings};

pub(crate) const ACCESS_TOKEN: &str = "an-access-token";
pub(crate) const CODE: &str = "a-code-that-is-a-secret";
pub(crate) const ATTEMPT: &str = "scripted";

/// A key to sign with, and its algorithm's name.
pub(crate) struct Key {
    pair: Pair,
    pub(crate) algorithm: &'static str,
    /// Named so in the key set and in the token's header.
    pub(crate) kid: Option<&'static str>,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Key {
    pub(crate) fn new(algorithm: &'static str, kid: Option<&'static str>) -> Self {
        let random = SystemRandom::new();
        let ecdsa = |algorithm| {
            let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
            Pair::Ecdsa(EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap())
        };
        let pair = match algorithm {
            "ES256" => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
            "ES384" => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
            "EdDSA" => {
                let key = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
                Pair::Ed25519(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap())
            }
            other => panic!("no keys for {other}"),
        };
        Self { pair, algorithm, kid }
    }

    /// As the key set publishes it (RFC 7517, section 4).
    pub(crate) fn public(&self) -> Value {
        let mut key = match &self.pair {
            Pair::Ecdsa(pair) => {
                // After the byte that says "uncompressed", both coordinates.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(pair_size(pair));
                let curve = if self.algorithm == "ES256" { "P-256" } else { "P-384" };
                json!({ "kty": "EC", "crv": curve, "x": BASE64.encode(x), "y": BASE64.encode(y) })
            }
            Pair::Ed25519(pair) => {
                let x = BASE64.encode(pair.public_key().as_ref());
                json!({ "kty": "OKP", "crv": "Ed25519", "x": x })
            }
        };
        key["use"] = "sig".into();
        if let Some(kid) = self.kid {
            key["kid"] = kid.into();
        }
        key
    }

    /// The `at_hash` of the access token (OpenID Connect Core, section 3.1.3.6).
    pub(crate) fn access_token_hash(&self) -> String {
        let hash = match self.algorithm {
            "ES256" => &digest::SHA256,
            "ES384" => &digest::SHA384,
            _ => &digest::SHA512,
        };
        let hash = digest::digest(hash, ACCESS_TOKEN.as_bytes());
        BASE64.encode(&hash.as_ref()[..hash.as_ref().len() / 2])
    }

    fn sign(&self, input: &[u8]) -> Vec<u8> {
        match &self.pair {
            Pair::Ecdsa(pair) => pair.sign(&SystemRandom::new(), input).unwrap().as_ref().into(),
            Pair::Ed25519(pair) => pair.sign(input).as_ref().into(),
        }
    }
}

fn pair_size(pair: &EcdsaKeyPair) -> usize {
    (pair.public_key().as_ref().len() - 1) / 2
}

/// What the provider says. `metadata`, `header`, `claims` and `token` change the usual words:
/// `null` takes one away (RFC 7396).
pub(crate) struct Script {
    pub(crate) metadata: Value,
    /// The key set's keys.
    pub(crate) keys: Vec<Value>,
    pub(crate) signer: Key,
    /// The ID token's header.
    pub(crate) header: Value,
    /// The ID token's claims.
    pub(crate) claims: Value,
    /// The token endpoint's answer.
    pub(crate) token: Value,
    /// What the token endpoint's answer calls itself.
    pub(crate) token_media_type: &'static str,
    /// The token endpoint's answer, when it is not the usual one.
    pub(crate) instead_of_token: Option<Answer>,
    pub(crate) userinfo: Answer,
    /// The metadata name an endpoint for requests that are pushed.
    pub(crate) names_par: bool,
    /// The answer to a request that is pushed.
    pub(crate) pushed: Answer,
}

impl Default for Script {
    /// All is well.
    fn default() -> Self {
        let signer = Key::new("ES256", Some("one"));
        Self {
            metadata: json!({}),
            keys: vec![signer.public()],
            signer,
            header: json!({}),
            claims: json!({}),
            token: json!({}),
            token_media_type: "application/json; charset=utf-8",
            instead_of_token: None,
            userinfo: Answer::json(200, json!({ "sub": "ann" })),
            names_par: false,
            pushed: Answer::json(201, json!({ "request_uri": "urn:pushed:1", "expires_in": 60 })),
        }
    }
}

impl Script {
    pub(crate) async fn start(self) -> Scripted {
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let heard = Arc::clone(&requests);
        let server = TinyServer::start(move |request| {
            heard.lock().unwrap().push(request.clone());
            self.answer(request)
        })
        .await;
        Scripted { server, requests }
    }

    /// Signed with this key instead, which is the only one published.
    pub(crate) fn sign_with(&mut self, key: Key) {
        self.keys = vec![key.public()];
        self.signer = key;
    }

    fn answer(&self, request: &Request) -> Answer {
        let issuer = format!("http://{}", request.header("host").unwrap());
        match request.path.as_str() {
            "/.well-known/openid-configuration" => {
                let endpoint = |path: &str| format!("{issuer}{path}");
                let usual = json!({
                    "issuer": issuer,
                    "authorization_endpoint": endpoint("/authorize"),
                    "token_endpoint": endpoint("/token"),
                    "userinfo_endpoint": endpoint("/userinfo"),
                    "jwks_uri": endpoint("/jwks"),
                    // Forbidden ones too: what is listed is not therefore allowed.
                    "id_token_signing_alg_values_supported":
                        ["ES256", "ES384", "EdDSA", "HS256", "none", "XY512"],
                });
                let mut usual = usual;
                if self.names_par {
                    usual["pushed_authorization_request_endpoint"] = endpoint("/par").into();
                }
                Answer::json(200, changed(usual, &self.metadata))
            }
            "/jwks" => Answer::json(200, json!({ "keys": self.keys })),
            "/token" => self.instead_of_token.clone().unwrap_or_else(|| {
                let usual = json!({
                    "access_token": ACCESS_TOKEN,
                    "token_type": "Bearer",
                    "id_token": self.id_token(&issuer),
                });
                let tokens = changed(usual, &self.token).to_string();
                Answer::of(200, self.token_media_type, tokens)
            }),
            "/userinfo" => self.userinfo.clone(),
            "/par" => self.pushed.clone(),
            _ => Answer::html(404, "nothing here"),
        }
    }

    fn id_token(&self, issuer: &str) -> String {
        let now = SystemClock.now().timestamp();
        let claims = json!({
            "iss": issuer,
            "sub": "ann",
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 600,
            "nonce": attempt(ATTEMPT).nonce.expose(),
        });
        let header = json!({ "alg": self.signer.algorithm, "kid": self.signer.kid });
        let encoded = |usual, change| BASE64.encode(changed(usual, change).to_string());
        let input = format!("{}.{}", encoded(header, &self.header), encoded(claims, &self.claims));
        format!("{input}.{}", BASE64.encode(self.signer.sign(input.as_bytes())))
    }
}

/// One level deep: nothing here needs more.
fn changed(mut usual: Value, change: &Value) -> Value {
    let words = usual.as_object_mut().unwrap();
    words.extend(change.as_object().unwrap().clone());
    words.retain(|_, value| !value.is_null());
    usual
}

/// The provider at work. What it is asked is written down.
pub(crate) struct Scripted {
    server: TinyServer,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Scripted {
    /// Without a slash at its end.
    pub(crate) fn issuer(&self) -> String {
        self.server.url().origin().ascii_serialization()
    }

    pub(crate) fn provider(&self) -> OidcProvider {
        self.provider_with(settings(&self.issuer()))
    }

    pub(crate) fn provider_with(&self, settings: OidcSettings) -> OidcProvider {
        provider(settings, Limits::default(), Arc::new(SystemClock))
    }

    /// Redeems a code; nobody needed to log in for it.
    pub(crate) async fn redeem(&self, oidc: &OidcProvider) -> Result<Identity, RedeemError> {
        let response = AuthorizationResponse { code: AuthorizationCode::new(CODE), issuer: None };
        oidc.redeem(&response, &attempt(ATTEMPT)).await
    }

    /// The requests for this path, in their order.
    pub(crate) fn asked(&self, path: &str) -> Vec<Request> {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|request| request.path == path).cloned().collect()
    }
}
