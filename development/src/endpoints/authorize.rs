//! The authorization endpoint (OpenID Connect Core, section 3.1.2).

use std::sync::Arc;

use rocket::{
    Route, State, get,
    http::{CookieJar, Status},
    post, routes,
};

use super::{
    authorization_request::AuthorizationRequest,
    forms::{log_in_form, sign_up_form},
    response::BrowserResponse,
};
use crate::{
    model::{faults::Fault, provider::Provider},
    web::{parameters::Parameters, session_cookie::current_session},
};

pub(crate) fn routes() -> Vec<Route> {
    routes![by_query, by_form, cancel]
}

#[get("/authorize")]
fn by_query(
    provider: &State<Arc<Provider>>,
    jar: &CookieJar<'_>,
    parameters: Parameters,
) -> Result<BrowserResponse, Status> {
    authorize(provider, jar, &parameters)
}

#[post("/authorize", data = "<parameters>")]
fn by_form(
    provider: &State<Arc<Provider>>,
    jar: &CookieJar<'_>,
    parameters: Parameters,
) -> Result<BrowserResponse, Status> {
    authorize(provider, jar, &parameters)
}

/// The target of the forms' link `Cancel`.
#[get("/cancel")]
fn cancel(provider: &State<Arc<Provider>>, parameters: Parameters) -> BrowserResponse {
    match AuthorizationRequest::parse(provider, &parameters) {
        Ok(request) => request.refuse(provider, "access_denied", "The user cancelled the log-in."),
        Err(reply) => *reply,
    }
}

fn authorize(
    provider: &Provider,
    jar: &CookieJar<'_>,
    parameters: &Parameters,
) -> Result<BrowserResponse, Status> {
    let request = match AuthorizationRequest::parse(provider, parameters) {
        Ok(request) => request,
        Err(reply) => return Ok(*reply),
    };
    let error = provider.faults.find(|fault| match fault {
        Fault::AuthorizationError(error) => Some(error),
        _ => None,
    });
    if let Some(error) = error {
        return Ok(request.refuse(provider, error, "Simulated fault."));
    }
    let now = provider.now();
    let session = current_session(&provider.sessions, jar);
    match session.filter(|session| request.accepts(session, now)) {
        Some(session) if !request.wants_form => Ok(request.grant(provider, &session)?),
        None if request.silent => {
            Ok(request.refuse(provider, "login_required", "The user has no session."))
        }
        _ if request.sign_up => {
            Ok(BrowserResponse::Page(sign_up_form(&request, &Parameters::default(), "")))
        }
        _ => Ok(BrowserResponse::Page(log_in_form(provider, &request, &Parameters::default(), ""))),
    }
}
