//! The messages API, which responds as Auth0's hello-world API samples do.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use openidconnect::{
    IssuerUrl, JsonWebKey,
    core::{CoreJsonWebKey, CoreJsonWebKeySet, CoreProviderMetadata},
};
use portico_adapters::{http::HttpClient, system::SystemClock};
use portico_domain::ports::Clock;
use rocket::{
    Build, Request, Rocket, State, catch, catchers,
    figment::Figment,
    get,
    http::{ContentType, Status},
    response::{self, Responder},
    routes,
};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{
    model::{
        accounts::READ_ADMIN_MESSAGES,
        faults::{Fault, Faults},
        jws::Jws,
    },
    web::{bearer::BearerToken, headers::headers},
};

/// The minimum time between two fetches of keys because of an unknown `kid`.
const MIN_REFETCH_INTERVAL: Duration = Duration::from_secs(5);

/// The API, ready to launch.
pub(crate) fn rocket(
    config: Figment,
    verifier: AccessTokenVerifier,
    faults: Arc<Faults>,
) -> Rocket<Build> {
    rocket::custom(config)
        .manage(verifier)
        .manage(faults)
        .attach(headers(String::new()))
        .mount("/api/messages", routes![public, protected, admin])
        .register("/", catchers![not_found, failed])
}

#[get("/public")]
async fn public(faults: &State<Arc<Faults>>) -> ApiResponse {
    message(faults, "This is a public message.").await
}

#[get("/protected")]
async fn protected(
    bearer: BearerToken<'_>,
    verifier: &State<AccessTokenVerifier>,
    faults: &State<Arc<Faults>>,
) -> Result<ApiResponse, ApiResponse> {
    verifier.verify(&bearer).await?;
    Ok(message(faults, "This is a protected message.").await)
}

#[get("/admin")]
async fn admin(
    bearer: BearerToken<'_>,
    verifier: &State<AccessTokenVerifier>,
    faults: &State<Arc<Faults>>,
) -> Result<ApiResponse, ApiResponse> {
    let claims = verifier.verify(&bearer).await?;
    let permissions = claims["permissions"].as_array();
    if !permissions.is_some_and(|all| all.contains(&READ_ADMIN_MESSAGES.into())) {
        let body = json!({ "message": "Permission denied", "error": "insufficient_permissions" });
        return Err(ApiResponse::Json(Status::Forbidden, body));
    }
    Ok(message(faults, "This is an admin message.").await)
}

#[catch(404)]
fn not_found() -> ApiResponse {
    error(Status::NotFound, "Not Found")
}

#[catch(default)]
fn failed(status: Status, _: &Request<'_>) -> ApiResponse {
    error(status, status.reason_lossy())
}

async fn message(faults: &Faults, text: &str) -> ApiResponse {
    faults
        .wait(|fault| match fault {
            Fault::ApiSlow(delay) => Some(delay),
            _ => None,
        })
        .await;
    if faults.has(Fault::ApiFails) {
        return error(Status::InternalServerError, "Internal Server Error");
    }
    if faults.has(Fault::ApiHtml) {
        return ApiResponse::Html("<!doctype html><title>Not JSON</title>");
    }
    ApiResponse::Json(Status::Ok, json!({ "text": text }))
}

fn error(status: Status, message: &str) -> ApiResponse {
    ApiResponse::Json(status, json!({ "message": message }))
}

enum ApiResponse {
    Json(Status, Value),
    Html(&'static str),
}

impl<'r> Responder<'r, 'static> for ApiResponse {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        match self {
            Self::Json(status, json) => {
                (status, (ContentType::JSON, json.to_string())).respond_to(request)
            }
            Self::Html(page) => (ContentType::HTML, page).respond_to(request),
        }
    }
}

/// Verifies access tokens of one issuer for one audience.
pub(crate) struct AccessTokenVerifier {
    issuer: String,
    audience: String,
    http: HttpClient,
    keys: Mutex<CachedKeys>,
}

#[derive(Default)]
struct CachedKeys {
    keys: Option<CoreJsonWebKeySet>,
    refetched: Option<Instant>,
}

impl AccessTokenVerifier {
    pub(crate) fn new(issuer: String, audience: String, http: HttpClient) -> Self {
        Self { issuer, audience, http, keys: Mutex::default() }
    }

    /// The claims of a valid token, or the error response.
    async fn verify(&self, bearer: &BearerToken<'_>) -> Result<Value, ApiResponse> {
        let token =
            bearer.0.ok_or_else(|| error(Status::Unauthorized, "Requires authentication"))?;
        let invalid = || error(Status::Unauthorized, "Bad credentials");
        let token = Jws::parse(token).ok_or_else(invalid)?;
        let key = self.key(token.kid()).await?.ok_or_else(invalid)?;
        let claims = token.verify(&key).ok_or_else(invalid)?;
        let now = SystemClock.now().timestamp();
        let is_audience = claims["aud"] == self.audience.as_str()
            || claims["aud"].as_array().is_some_and(|all| all.contains(&json!(self.audience)));
        let is_valid = claims["iss"] == self.issuer.as_str()
            && is_audience
            && claims["exp"].as_i64().is_some_and(|exp| exp > now)
            && claims["nbf"].as_i64().is_none_or(|nbf| nbf <= now);
        if is_valid { Ok(claims) } else { Err(invalid()) }
    }

    /// The provider's key with this id; `None` if there is none.
    async fn key(&self, kid: Option<&str>) -> Result<Option<CoreJsonWebKey>, ApiResponse> {
        let Some(kid) = kid else { return Ok(None) };
        let find = |keys: &CoreJsonWebKeySet| {
            let has_id = |key: &&CoreJsonWebKey| key.key_id().is_some_and(|id| id.as_str() == kid);
            keys.keys().iter().find(has_id).cloned()
        };
        let mut cache = self.keys.lock().await;
        if let Some(keys) = &cache.keys {
            let key = find(keys);
            let too_soon =
                cache.refetched.is_some_and(|then| then.elapsed() < MIN_REFETCH_INTERVAL);
            if key.is_some() || too_soon {
                return Ok(key);
            }
            cache.refetched = Some(Instant::now());
        }
        let unreachable = || {
            let message = "The identity provider is unreachable";
            error(Status::InternalServerError, message)
        };
        let issuer = IssuerUrl::new(self.issuer.clone()).map_err(|_| unreachable())?;
        let metadata = CoreProviderMetadata::discover_async(issuer, &self.http)
            .await
            .map_err(|_| unreachable())?;
        Ok(find(cache.keys.insert(metadata.jwks().clone())))
    }
}
