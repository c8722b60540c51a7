//! Submission of the forms to log in and to sign up.

use std::sync::Arc;

use rocket::{
    Responder, Route, State,
    http::{CookieJar, Status},
    post, routes,
};
use rocket_dyn_templates::Template;

use super::{
    authorization_request::AuthorizationRequest,
    forms::{FIELDS, log_in_form, sign_up_form},
    response::BrowserResponse,
};
use crate::{
    model::{
        accounts::{Account, SignUpError},
        provider::Provider,
        random::random,
        sessions::ProviderSession,
    },
    web::{parameters::Parameters, same_origin::SameOrigin, session_cookie::start_session},
};

pub(crate) fn routes() -> Vec<Route> {
    routes![log_in, sign_up]
}

/// The response to a form.
#[derive(Responder)]
enum FormResponse {
    Done(BrowserResponse),
    #[response(status = 401)]
    WrongPassword(Template),
    #[response(status = 409)]
    Taken(Template),
    #[response(status = 422)]
    Incomplete(Template),
}

#[post("/login", data = "<form>")]
fn log_in(
    _origin: SameOrigin,
    provider: &State<Arc<Provider>>,
    jar: &CookieJar<'_>,
    form: Parameters,
) -> Result<FormResponse, Status> {
    let request = match AuthorizationRequest::parse(provider, &form.without(&FIELDS)) {
        Ok(request) => request,
        Err(reply) => return Ok(FormResponse::Done(*reply)),
    };
    let (email, password) = (form.get("email"), form.get("password"));
    match provider.accounts.log_in(email.unwrap_or_default(), password.unwrap_or_default()) {
        Some(account) => start(provider, jar, request, account),
        None => {
            let message = "Wrong email or password.";
            Ok(FormResponse::WrongPassword(log_in_form(provider, &request, &form, message)))
        }
    }
}

#[post("/signup", data = "<form>")]
fn sign_up(
    _origin: SameOrigin,
    provider: &State<Arc<Provider>>,
    jar: &CookieJar<'_>,
    form: Parameters,
) -> Result<FormResponse, Status> {
    let request = match AuthorizationRequest::parse(provider, &form.without(&FIELDS)) {
        Ok(request) => request,
        Err(reply) => return Ok(FormResponse::Done(*reply)),
    };
    let [email, password, name] = FIELDS.map(|field| form.get(field).unwrap_or_default());
    match provider.accounts.sign_up(&random()?, email, password, name) {
        Ok(account) => start(provider, jar, request, account),
        Err(error) => {
            let page = sign_up_form(&request, &form, &error.to_string());
            Ok(match error {
                SignUpError::Taken => FormResponse::Taken(page),
                SignUpError::NoEmail | SignUpError::NoPassword => FormResponse::Incomplete(page),
            })
        }
    }
}

/// Starts a session in this browser and sends it back to the client with a code.
fn start(
    provider: &Provider,
    jar: &CookieJar<'_>,
    request: AuthorizationRequest,
    account: Arc<Account>,
) -> Result<FormResponse, Status> {
    let session = ProviderSession { account, authenticated_at: provider.now(), sid: random()? };
    start_session(&provider.sessions, jar, random()?, session.clone());
    Ok(FormResponse::Done(request.grant(provider, &session)?))
}
