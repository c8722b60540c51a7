//! The userinfo endpoint (OpenID Connect Core, section 5.3).

use std::sync::Arc;

use openidconnect::{SubjectIdentifier, UserInfoClaims};
use rocket::{
    Request, Route, State, get,
    http::{ContentType, Header, Status},
    post,
    response::{self, Responder, content::RawHtml},
    routes,
    serde::json::Json,
};
use serde_json::{Value, json};

use crate::{
    model::{
        faults::Fault,
        jws::{changed, with_invalid_signature},
        provider::Provider,
        tokens::{ExtraClaims, parsed, user_claims},
    },
    web::bearer::BearerToken,
};

pub(crate) fn routes() -> Vec<Route> {
    routes![by_get, by_post]
}

#[derive(Responder)]
enum UserinfoResponse {
    Plain(Json<Value>),
    Page(RawHtml<&'static str>),
    Signed((ContentType, String)),
}

#[get("/userinfo")]
async fn by_get(
    bearer: BearerToken<'_>,
    provider: &State<Arc<Provider>>,
) -> Result<UserinfoResponse, BearerChallenge> {
    userinfo(bearer, provider).await
}

#[post("/userinfo")]
async fn by_post(
    bearer: BearerToken<'_>,
    provider: &State<Arc<Provider>>,
) -> Result<UserinfoResponse, BearerChallenge> {
    userinfo(bearer, provider).await
}

async fn userinfo(
    bearer: BearerToken<'_>,
    provider: &Provider,
) -> Result<UserinfoResponse, BearerChallenge> {
    provider
        .faults
        .wait(|fault| match fault {
            Fault::UserinfoSlow(delay) => Some(delay),
            _ => None,
        })
        .await;
    let token = bearer.0.ok_or(BearerChallenge("Bearer"))?;
    let grant = provider.grants.of_access(token, provider.now());
    let grant = grant.filter(|_| !provider.faults.has(Fault::UserinfoUnauthorized));
    let refuses = provider.dialect.overrides().userinfo_refuses_api_tokens;
    let grant = grant.filter(|grant| !(refuses && grant.audience.is_some()));
    let grant = grant.ok_or(BearerChallenge("Bearer error=\"invalid_token\""))?;
    let mut claims = UserInfoClaims::new(user_claims(provider, &grant), ExtraClaims::of(&grant));
    if provider.faults.has(Fault::UserinfoWrongSubject) {
        claims.set_subject(SubjectIdentifier::new("dev|someone-else".into()));
    }
    let claims = serde_json::to_value(&claims).map_err(|_| BearerChallenge("Bearer"))?;
    let claims = provider.in_dialect(claims, Some(&grant), |dialect| Some(&dialect.userinfo));
    if provider.faults.has(Fault::UserinfoHtml) {
        return Ok(UserinfoResponse::Page(RawHtml("<!doctype html><title>Not JSON</title>")));
    }
    let signed = provider.faults.find(|fault| match fault {
        Fault::UserinfoSigned(change) => Some((parsed(change), false)),
        Fault::UserinfoInvalidSignature => Some((Value::Null, true)),
        _ => None,
    });
    match signed {
        None => Ok(UserinfoResponse::Plain(Json(claims))),
        Some((change, invalid)) => signed_claims(provider, claims, &change, invalid)
            .map(|token| UserinfoResponse::Signed((ContentType::new("application", "jwt"), token)))
            .ok_or(BearerChallenge("Bearer")),
    }
}

/// Signed claims, which include `iss` and `aud` (section 5.3.2).
fn signed_claims(
    provider: &Provider,
    claims: Value,
    change: &Value,
    invalid: bool,
) -> Option<String> {
    let required = json!({ "iss": provider.issuer(), "aud": provider.client.id });
    let claims = changed(changed(claims, &required), change);
    let key = provider.keys.current()?;
    let token = key.sign(&key.header("JWT"), &claims).ok()?;
    if invalid { with_invalid_signature(&token) } else { Some(token) }
}

/// 401 with this challenge (RFC 6750, section 3).
struct BearerChallenge(&'static str);

impl<'r> Responder<'r, 'static> for BearerChallenge {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        response::Response::build()
            .status(Status::Unauthorized)
            .header(Header::new("WWW-Authenticate", self.0))
            .ok()
    }
}
