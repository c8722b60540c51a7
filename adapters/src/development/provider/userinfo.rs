//! The userinfo endpoint (OpenID Connect Core, section 5.3).

use std::sync::Arc;

use openidconnect::{SubjectIdentifier, UserInfoClaims, core::CoreGenderClaim};
use rocket::{
    Request, Route, State, get,
    http::{Header, Status},
    post,
    response::{self, Responder},
    routes,
    serde::json::Json,
};

use super::{
    Provider,
    http::Bearer,
    tokens::{More, person},
};
use crate::development::faults::Fault;

pub(super) fn routes() -> Vec<Route> {
    routes![by_get, by_post]
}

type Claims = Json<UserInfoClaims<More, CoreGenderClaim>>;

#[get("/userinfo")]
async fn by_get(bearer: Bearer<'_>, provider: &State<Arc<Provider>>) -> Result<Claims, Refused> {
    userinfo(bearer, provider).await
}

#[post("/userinfo")]
async fn by_post(bearer: Bearer<'_>, provider: &State<Arc<Provider>>) -> Result<Claims, Refused> {
    userinfo(bearer, provider).await
}

async fn userinfo(bearer: Bearer<'_>, provider: &Provider) -> Result<Claims, Refused> {
    provider
        .faults
        .wait(|fault| match fault {
            Fault::UserinfoSlow(delay) => Some(delay),
            _ => None,
        })
        .await;
    let token = bearer.0.ok_or(Refused("Bearer"))?;
    let known = provider.grants.of_access(token, provider.now());
    let grant = known.filter(|_| !provider.faults.has(Fault::UserinfoRefuses));
    let grant = grant.ok_or(Refused("Bearer error=\"invalid_token\""))?;
    let mut claims = UserInfoClaims::new(person(provider, &grant), More::of(&grant));
    if provider.faults.has(Fault::UserinfoWrongSubject) {
        claims.set_subject(SubjectIdentifier::new("dev|someone-else".into()));
    }
    Ok(Json(claims))
}

/// 401, with the challenge to answer (RFC 6750, section 3).
struct Refused(&'static str);

impl<'r> Responder<'r, 'static> for Refused {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        response::Response::build()
            .status(Status::Unauthorized)
            .header(Header::new("WWW-Authenticate", self.0))
            .ok()
    }
}
