//! The messages API, which answers as Auth0's hello-world API samples do.

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

/// Keys are asked for again this often at most when a token names an unknown one.
const REFETCH_EVERY: Duration = Duration::from_secs(5);

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
    verifier.admit(&bearer).await?;
    Ok(message(faults, "This is a protected message.").await)
}

#[get("/admin")]
async fn admin(
    bearer: BearerToken<'_>,
    verifier: &State<AccessTokenVerifier>,
    faults: &State<Arc<Faults>>,
) -> Result<ApiResponse, ApiResponse> {
    let claims = verifier.admit(&bearer).await?;
    let permissions = claims["permissions"].as_array();
    if !permissions.is_some_and(|all| all.contains(&READ_ADMIN_MESSAGES.into())) {
        let refusal =
            json!({ "message": "Permission denied", "error": "insufficient_permissions" });
        return Err(ApiResponse::Json(Status::Forbidden, refusal));
    }
    Ok(message(faults, "This is an admin message.").await)
}

#[catch(404)]
fn not_found() -> ApiResponse {
    refusal(Status::NotFound, "Not Found")
}

#[catch(default)]
fn failed(status: Status, _: &Request<'_>) -> ApiResponse {
    refusal(status, status.reason_lossy())
}

async fn message(faults: &Faults, text: &str) -> ApiResponse {
    faults
        .wait(|fault| match fault {
            Fault::ApiSlow(delay) => Some(delay),
            _ => None,
        })
        .await;
    if faults.has(Fault::ApiFails) {
        return refusal(Status::InternalServerError, "Internal Server Error");
    }
    if faults.has(Fault::ApiHtml) {
        return ApiResponse::Html("<!doctype html><title>Not what you asked for</title>");
    }
    ApiResponse::Json(Status::Ok, json!({ "text": text }))
}

fn refusal(status: Status, message: &str) -> ApiResponse {
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

/// Believes access tokens of one issuer, meant for one audience.
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

    /// The token's claims, or the refusal to answer with.
    async fn admit(&self, bearer: &BearerToken<'_>) -> Result<Value, ApiResponse> {
        let token =
            bearer.0.ok_or_else(|| refusal(Status::Unauthorized, "Requires authentication"))?;
        let bad = || refusal(Status::Unauthorized, "Bad credentials");
        let token = Jws::parse(token).ok_or_else(bad)?;
        let key = self.key(token.kid()).await?.ok_or_else(bad)?;
        let claims = token.verified_by(&key).ok_or_else(bad)?;
        let now = SystemClock.now().timestamp();
        let ours = claims["aud"] == self.audience.as_str()
            || claims["aud"].as_array().is_some_and(|all| all.contains(&json!(self.audience)));
        let believed = claims["iss"] == self.issuer.as_str()
            && ours
            && claims["exp"].as_i64().is_some_and(|exp| exp > now)
            && claims["nbf"].as_i64().is_none_or(|nbf| nbf <= now);
        if believed { Ok(claims) } else { Err(bad()) }
    }

    /// The provider's key of this name; `None` when it has none.
    async fn key(&self, kid: Option<&str>) -> Result<Option<CoreJsonWebKey>, ApiResponse> {
        let Some(kid) = kid else { return Ok(None) };
        let find = |keys: &CoreJsonWebKeySet| {
            let named = |key: &&CoreJsonWebKey| key.key_id().is_some_and(|id| id.as_str() == kid);
            keys.keys().iter().find(named).cloned()
        };
        let mut cache = self.keys.lock().await;
        if let Some(keys) = &cache.keys {
            let known = find(keys);
            let too_soon = cache.refetched.is_some_and(|then| then.elapsed() < REFETCH_EVERY);
            if known.is_some() || too_soon {
                return Ok(known);
            }
            cache.refetched = Some(Instant::now());
        }
        let silent = || {
            let message = "The identity provider cannot be reached";
            refusal(Status::InternalServerError, message)
        };
        let issuer = IssuerUrl::new(self.issuer.clone()).map_err(|_| silent())?;
        let metadata =
            CoreProviderMetadata::discover_async(issuer, &self.http).await.map_err(|_| silent())?;
        Ok(find(cache.keys.insert(metadata.jwks().clone())))
    }
}
