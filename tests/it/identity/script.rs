//! A provider whose responses a test writes.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use portico_adapters::{
    http::Limits,
    identity::oidc::{OidcProvider, OidcSettings},
    system::SystemClock,
};
use portico_development::SigningKey;
use portico_domain::{
    model::{AuthorizationCode, AuthorizationResponse, Identity},
    ports::{Clock, IdentityProvider, RedeemError},
};
use portico_tests::stub_server::{Request, Response, StubServer};
use serde_json::{Value, json};

pub(crate) use super::signing_keys::signing_key;
use super::{CLIENT_ID, attempt, provider, settings};

pub(crate) const ACCESS_TOKEN: &str = "an-access-token";
pub(crate) const CODE: &str = "a-code-that-is-a-secret";
pub(crate) const ATTEMPT: &str = "scripted";

/// The responses of the provider. `metadata`, `header`, `claims` and `token` are merged into the
/// defaults; `null` removes a member (RFC 7396).
pub(crate) struct Script {
    pub(crate) metadata: Value,
    /// The response to each request for the key set, by its number from 0. `None` for the default.
    pub(crate) key_sets: Option<KeySets>,
    /// Number of responses with the key set.
    pub(crate) key_sets_answered: AtomicUsize,
    /// The key set's keys.
    pub(crate) keys: Vec<Value>,
    pub(crate) signer: SigningKey,
    /// The ID token's header.
    pub(crate) header: Value,
    /// The ID token's claims.
    pub(crate) claims: Value,
    /// The response of the token endpoint.
    pub(crate) token: Value,
    /// The access token is a JWT of the provider with these claims instead, signed by the key of the
    /// ID token or by this one.
    pub(crate) access_token: Option<(Value, Option<SigningKey>)>,
    /// The media type of the token endpoint's response.
    pub(crate) token_media_type: &'static str,
    /// Replaces the token endpoint's response.
    pub(crate) instead_of_token: Option<Response>,
    /// Decides which requests the token endpoint refuses, and how.
    pub(crate) refuse_client: Option<Refuse>,
    pub(crate) userinfo: Response,
    /// Signs userinfo, with these changes to the default.
    pub(crate) signed_userinfo: Option<Signed>,
    /// Whether the metadata name an endpoint for pushed authorization requests.
    pub(crate) names_par: bool,
    /// The response to a pushed authorization request.
    pub(crate) pushed: Response,
}

/// The response to a request for the key set. `None` for the default.
pub(crate) type KeySets = Box<dyn Fn(usize) -> Option<Response> + Send + Sync>;

/// Decides whether a request is refused.
pub(crate) type Refuse = Box<dyn Fn(&Request) -> Option<Response> + Send + Sync>;

/// Changes to the claims and to the header of a signed response. The default header is that of the
/// ID token.
#[derive(Default)]
pub(crate) struct Signed {
    pub(crate) header: Value,
    pub(crate) claims: Value,
    /// The key, if it is another one than that of the ID token.
    pub(crate) key: Option<SigningKey>,
}

impl Default for Script {
    /// A provider without faults.
    fn default() -> Self {
        let signer = signing_key("ES256", Some("one"));
        Self {
            metadata: json!({}),
            key_sets: None,
            key_sets_answered: AtomicUsize::new(0),
            keys: vec![signer.public_jwk()],
            signer,
            header: json!({}),
            claims: json!({}),
            token: json!({}),
            access_token: None,
            token_media_type: "application/json; charset=utf-8",
            instead_of_token: None,
            refuse_client: None,
            userinfo: Response::json(200, json!({ "sub": "ann" })),
            signed_userinfo: None,
            names_par: false,
            pushed: Response::json(201, json!({ "request_uri": "urn:pushed:1", "expires_in": 60 })),
        }
    }
}

impl Script {
    pub(crate) async fn start(self) -> Scripted {
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let recorded = Arc::clone(&requests);
        let server = StubServer::start(move |request| {
            recorded.lock().unwrap().push(request.clone());
            self.answer(request)
        })
        .await;
        Scripted { server, requests }
    }

    /// Signs with this key and publishes no other.
    pub(crate) fn sign_with(&mut self, key: SigningKey) {
        self.keys = vec![key.public_jwk()];
        self.signer = key;
    }

    fn answer(&self, request: &Request) -> Response {
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
                    // Also algorithms that are never accepted, whatever the metadata list.
                    "id_token_signing_alg_values_supported":
                        [self.signer.algorithm(), "HS256", "none", "XY512"],
                });
                let mut usual = usual;
                if self.names_par {
                    usual["pushed_authorization_request_endpoint"] = endpoint("/par").into();
                }
                Response::json(200, changed(usual, &self.metadata))
            }
            "/jwks" => {
                let number = self.key_sets_answered.fetch_add(1, Ordering::SeqCst);
                let scripted = self.key_sets.as_ref().and_then(|answer| answer(number));
                scripted.unwrap_or_else(|| Response::json(200, json!({ "keys": self.keys })))
            }
            "/token" => self.instead_of_token(request).unwrap_or_else(|| {
                let usual = json!({
                    "access_token": self.access_token(&issuer),
                    "token_type": "Bearer",
                    "id_token": self.id_token(&issuer),
                });
                let tokens = changed(usual, &self.token).to_string();
                Response::of(200, self.token_media_type, tokens)
            }),
            "/userinfo" => match &self.signed_userinfo {
                None => self.userinfo.clone(),
                Some(signed) => {
                    let key = signed.key.as_ref().unwrap_or(&self.signer);
                    let header = json!({ "alg": key.algorithm(), "kid": key.id() });
                    let claims = json!({ "iss": issuer, "sub": "ann", "aud": CLIENT_ID });
                    let token = key
                        .sign(&changed(header, &signed.header), &changed(claims, &signed.claims))
                        .unwrap();
                    Response::of(200, "application/jwt", token)
                }
            },
            "/par" => self.pushed.clone(),
            _ => Response::html(404, "nothing here"),
        }
    }

    fn access_token(&self, issuer: &str) -> String {
        let Some((claims, key)) = &self.access_token else { return ACCESS_TOKEN.into() };
        let key = key.as_ref().unwrap_or(&self.signer);
        let header = json!({ "alg": key.algorithm(), "kid": key.id(), "typ": "at+jwt" });
        let usual = json!({ "iss": issuer, "aud": "https://messages.example" });
        key.sign(&header, &changed(usual, claims)).unwrap()
    }

    fn instead_of_token(&self, request: &Request) -> Option<Response> {
        let refused = self.refuse_client.as_ref().and_then(|refuse| refuse(request));
        refused.or_else(|| self.instead_of_token.clone())
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
        self.signer.sign(&self.header(), &changed(claims, &self.claims)).unwrap()
    }

    /// The header of signed tokens.
    fn header(&self) -> Value {
        let usual = json!({ "alg": self.signer.algorithm(), "kid": self.signer.id() });
        changed(usual, &self.header)
    }
}

/// Merges one level deep, which suffices here.
fn changed(mut usual: Value, change: &Value) -> Value {
    let words = usual.as_object_mut().unwrap();
    words.extend(change.as_object().cloned().unwrap_or_default());
    words.retain(|_, value| !value.is_null());
    usual
}

/// The running provider, which records its requests.
pub(crate) struct Scripted {
    server: StubServer,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Scripted {
    /// Without a final slash.
    pub(crate) fn issuer(&self) -> String {
        self.server.url().origin().ascii_serialization()
    }

    pub(crate) fn provider(&self) -> OidcProvider {
        self.provider_with(settings(&self.issuer()))
    }

    pub(crate) fn provider_with(&self, settings: OidcSettings) -> OidcProvider {
        provider(settings, Limits::default(), Arc::new(SystemClock))
    }

    /// Redeems a code; no log-in is needed for it.
    pub(crate) async fn redeem(&self, oidc: &OidcProvider) -> Result<Identity, RedeemError> {
        let response = AuthorizationResponse { code: AuthorizationCode::new(CODE), issuer: None };
        oidc.redeem(&response, &attempt(ATTEMPT)).await
    }

    /// The requests for this path, in order.
    pub(crate) fn requested(&self, path: &str) -> Vec<Request> {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|request| request.path == path).cloned().collect()
    }
}
