//! A provider whose every word a test writes.

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

/// What the provider says. `metadata`, `header`, `claims` and `token` change the usual words:
/// `null` takes one away (RFC 7396).
pub(crate) struct Script {
    pub(crate) metadata: Value,
    /// The answer to each request for the key set, by its number from 0, where it is not the usual
    /// one.
    pub(crate) key_sets: Option<KeySets>,
    /// How often the key set was answered.
    pub(crate) key_sets_answered: AtomicUsize,
    /// The key set's keys.
    pub(crate) keys: Vec<Value>,
    pub(crate) signer: SigningKey,
    /// The ID token's header.
    pub(crate) header: Value,
    /// The ID token's claims.
    pub(crate) claims: Value,
    /// The token endpoint's answer.
    pub(crate) token: Value,
    /// The access token is a JWT of the provider with these claims instead, signed by the key of the
    /// ID token or by this one.
    pub(crate) access_token: Option<(Value, Option<SigningKey>)>,
    /// What the token endpoint's answer calls itself.
    pub(crate) token_media_type: &'static str,
    /// The token endpoint's answer, when it is not the usual one.
    pub(crate) instead_of_token: Option<Response>,
    /// The token endpoint's refusal of a request, where it refuses it.
    pub(crate) refuse_client: Option<Refuse>,
    pub(crate) userinfo: Response,
    /// Userinfo is signed instead, with these changes to what it usually says.
    pub(crate) signed_userinfo: Option<Signed>,
    /// The metadata name an endpoint for requests that are pushed.
    pub(crate) names_par: bool,
    /// The answer to a request that is pushed.
    pub(crate) pushed: Response,
}

/// The answer to a request for the key set. `None` for the usual one.
pub(crate) type KeySets = Box<dyn Fn(usize) -> Option<Response> + Send + Sync>;

/// Decides whether a request is refused.
pub(crate) type Refuse = Box<dyn Fn(&Request) -> Option<Response> + Send + Sync>;

/// What is signed in the place of the usual: changes to its claims, and to its header, which by
/// default is that of the ID token.
#[derive(Default)]
pub(crate) struct Signed {
    pub(crate) header: Value,
    pub(crate) claims: Value,
    /// By another key than the ID token.
    pub(crate) key: Option<SigningKey>,
}

impl Default for Script {
    /// All is well.
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
        let heard = Arc::clone(&requests);
        let server = StubServer::start(move |request| {
            heard.lock().unwrap().push(request.clone());
            self.answer(request)
        })
        .await;
        Scripted { server, requests }
    }

    /// Signed with this key instead, which is the only one published.
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
                    // Forbidden ones too: what is listed is not therefore allowed.
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

    /// That of whatever is signed.
    fn header(&self) -> Value {
        let usual = json!({ "alg": self.signer.algorithm(), "kid": self.signer.id() });
        changed(usual, &self.header)
    }
}

/// One level deep: nothing here needs more.
fn changed(mut usual: Value, change: &Value) -> Value {
    let words = usual.as_object_mut().unwrap();
    words.extend(change.as_object().cloned().unwrap_or_default());
    words.retain(|_, value| !value.is_null());
    usual
}

/// The provider at work. What it is asked is written down.
pub(crate) struct Scripted {
    server: StubServer,
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
    pub(crate) fn requested(&self, path: &str) -> Vec<Request> {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|request| request.path == path).cloned().collect()
    }
}
