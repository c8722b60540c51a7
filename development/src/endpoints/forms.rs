//! The forms to log in and to sign up.

use rocket_dyn_templates::{Template, context};

use super::authorization_request::AuthorizationRequest;
use crate::{
    model::{accounts::PASSWORD, provider::Provider},
    web::parameters::Parameters,
};

/// The fields that the user fills in. All others are the authorization request's.
pub(crate) const FIELDS: [&str; 3] = ["email", "password", "name"];

/// The form to log in, with what was filled in before except the password. `message` says what was
/// wrong; empty if nothing was.
pub(crate) fn log_in_form(
    provider: &Provider,
    request: &AuthorizationRequest,
    filled: &Parameters,
    message: &str,
) -> Template {
    Template::render(
        "development/login",
        context! {
            message,
            email: email(request, filled),
            accounts: provider.accounts.with_well_known_password(),
            well_known_password: PASSWORD,
            fields: hidden_fields(request).pairs(),
            sign_up: with_prompt(request, "create"),
            cancel: request.parameters.to_query(),
        },
    )
}

/// The form to sign up; otherwise as [`log_in_form`].
pub(crate) fn sign_up_form(
    request: &AuthorizationRequest,
    filled: &Parameters,
    message: &str,
) -> Template {
    Template::render(
        "development/signup",
        context! {
            message,
            email: email(request, filled),
            name: filled.get("name").unwrap_or_default(),
            fields: hidden_fields(request).pairs(),
            log_in: with_prompt(request, "login"),
            cancel: request.parameters.to_query(),
        },
    )
}

fn email<'a>(request: &'a AuthorizationRequest, filled: &'a Parameters) -> &'a str {
    filled.get("email").or(request.login_hint.as_deref()).unwrap_or_default()
}

/// The authorization request. A parameter with the name of a visible field would take precedence
/// over it.
fn hidden_fields(request: &AuthorizationRequest) -> Parameters {
    request.parameters.without(&FIELDS)
}

/// The query of the same request with another `prompt`.
fn with_prompt(request: &AuthorizationRequest, prompt: &str) -> String {
    request.parameters.without(&["prompt", "screen_hint"]).with("prompt", prompt).to_query()
}
