//! The forms by which people log in and sign up.

use std::sync::Arc;

use rocket::{
    Responder, Route, State,
    http::{CookieJar, Status},
    post, routes,
};
use rocket_dyn_templates::{Template, context};

use super::{
    Provider,
    authorize::{AuthorizationRequest, Reply},
    http::OwnPage,
    random,
    sign_ins::SignIn,
};
use crate::{
    accounts::{Account, PASSWORD, SignUpError},
    parameters::Parameters,
};

/// The fields that people fill in; all others are the authorization request's.
const FIELDS: [&str; 3] = ["email", "password", "name"];

pub(super) fn routes() -> Vec<Route> {
    routes![log_in, sign_up]
}

/// A form sent, and what came of it.
#[derive(Responder)]
enum Sent {
    Done(Reply),
    #[response(status = 401)]
    WrongPassword(Template),
    #[response(status = 409)]
    Taken(Template),
    #[response(status = 422)]
    Incomplete(Template),
}

#[post("/login", data = "<form>")]
fn log_in(
    _own: OwnPage,
    provider: &State<Arc<Provider>>,
    jar: &CookieJar<'_>,
    form: Parameters,
) -> Result<Sent, Status> {
    let request = match AuthorizationRequest::parse(provider, &form.without(&FIELDS)) {
        Ok(request) => request,
        Err(reply) => return Ok(Sent::Done(*reply)),
    };
    let (email, password) = (form.get("email"), form.get("password"));
    match provider.accounts.log_in(email.unwrap_or_default(), password.unwrap_or_default()) {
        Some(account) => sign_in(provider, jar, request, account),
        None => {
            let message = "Wrong email or password.";
            Ok(Sent::WrongPassword(page(provider, "development/login", &request, &form, message)))
        }
    }
}

#[post("/signup", data = "<form>")]
fn sign_up(
    _own: OwnPage,
    provider: &State<Arc<Provider>>,
    jar: &CookieJar<'_>,
    form: Parameters,
) -> Result<Sent, Status> {
    let request = match AuthorizationRequest::parse(provider, &form.without(&FIELDS)) {
        Ok(request) => request,
        Err(reply) => return Ok(Sent::Done(*reply)),
    };
    let [email, password, name] = FIELDS.map(|field| form.get(field).unwrap_or_default());
    match provider.accounts.sign_up(&random()?, email, password, name) {
        Ok(account) => sign_in(provider, jar, request, account),
        Err(error) => {
            let page = page(provider, "development/signup", &request, &form, &error.to_string());
            Ok(match error {
                SignUpError::Taken => Sent::Taken(page),
                SignUpError::NoEmail | SignUpError::NoPassword => Sent::Incomplete(page),
            })
        }
    }
}

/// Remembers the browser and sends it back with a code.
fn sign_in(
    provider: &Provider,
    jar: &CookieJar<'_>,
    request: AuthorizationRequest,
    account: Arc<Account>,
) -> Result<Sent, Status> {
    let sign_in = SignIn { account, since: provider.now(), sid: random()? };
    provider.sign_ins.start(jar, random()?, sign_in.clone());
    request.grant(provider, &sign_in).map(Sent::Done)
}

/// The form to log in.
pub(super) fn log_in_page(provider: &Provider, request: &AuthorizationRequest) -> Reply {
    Reply::Page(page(provider, "development/login", request, &Parameters::default(), ""))
}

/// The form to sign up.
pub(super) fn sign_up_page(provider: &Provider, request: &AuthorizationRequest) -> Reply {
    Reply::Page(page(provider, "development/signup", request, &Parameters::default(), ""))
}

/// A form, with what was filled in before; never the password.
fn page(
    provider: &Provider,
    name: &'static str,
    request: &AuthorizationRequest,
    filled: &Parameters,
    message: &str,
) -> Template {
    let plain = request.parameters.without(&["prompt", "screen_hint"]);
    // A hidden field of such a name would come before the visible one.
    let fields = request.parameters.without(&FIELDS);
    let email = filled.get("email").or(request.login_hint.as_deref());
    Template::render(
        name,
        context! {
            email: email.unwrap_or_default(),
            name: filled.get("name").unwrap_or_default(),
            message,
            accounts: provider.accounts.with_well_known_password(),
            well_known_password: PASSWORD,
            fields: fields.pairs(),
            log_in: plain.clone().with("prompt", "login").to_query(),
            sign_up: plain.with("prompt", "create").to_query(),
            cancel: request.parameters.to_query(),
        },
    )
}
