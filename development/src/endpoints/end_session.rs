//! The end-session endpoint (OpenID Connect RP-Initiated Logout 1.0, section 2).

use std::sync::Arc;

use rocket::{Route, State, get, http::CookieJar, post, response::Redirect, routes};
use rocket_dyn_templates::{Template, context};
use serde_json::json;
use url::Url;

use super::response::{BrowserResponse, error_page};
use crate::{
    model::provider::Provider,
    web::{parameters::Parameters, session_cookie},
};

pub(crate) fn routes() -> Vec<Route> {
    routes![by_query, by_form]
}

#[get("/end-session")]
fn by_query(
    provider: &State<Arc<Provider>>,
    jar: &CookieJar<'_>,
    parameters: Parameters,
) -> BrowserResponse {
    end_session(provider, jar, &parameters).unwrap_or_else(refused)
}

#[post("/end-session", data = "<parameters>")]
fn by_form(
    provider: &State<Arc<Provider>>,
    jar: &CookieJar<'_>,
    parameters: Parameters,
) -> BrowserResponse {
    end_session(provider, jar, &parameters).unwrap_or_else(refused)
}

fn refused(message: &'static str) -> BrowserResponse {
    BrowserResponse::BadRequest(error_page(400, message))
}

/// Everything is checked before anything ends.
fn end_session(
    provider: &Provider,
    jar: &CookieJar<'_>,
    parameters: &Parameters,
) -> Result<BrowserResponse, &'static str> {
    if parameters.repeated() {
        return Err("A parameter came twice.");
    }
    let client = &provider.client;
    let hint = match parameters.get("id_token_hint") {
        // An expired token is as good a hint as any.
        Some(token) => {
            let claims = provider.keys.read(token).ok_or("The id_token_hint is not ours.")?;
            let ours = claims["iss"] == provider.issuer()
                && claims["aud"].as_array().is_some_and(|all| all.contains(&json!(client.id)));
            Some(ours.then_some(claims).ok_or("The id_token_hint is not ours.")?)
        }
        None => None,
    };
    if parameters.get("client_id").is_some_and(|id| id != client.id) {
        return Err("The application that sent you here is not known (client_id).");
    }
    let back = match parameters.get("post_logout_redirect_uri") {
        Some(_) if hint.is_none() && parameters.get("client_id").is_none() => {
            return Err("post_logout_redirect_uri needs an id_token_hint or a client_id.");
        }
        Some(address) if address == client.post_logout_redirect_uri => {
            let mut back = Url::parse(address).map_err(|_| "That address is none.")?;
            if let Some(state) = parameters.get("state") {
                back.query_pairs_mut().append_pair("state", state);
            }
            Some(back)
        }
        Some(_) => {
            return Err("The application that sent you here is not registered under the address \
                        it wants you sent back to (post_logout_redirect_uri).");
        }
        None => None,
    };
    session_cookie::end_session(&provider.sessions, jar);
    if let Some(sid) = hint.as_ref().and_then(|claims| claims["sid"].as_str()) {
        provider.sessions.end_by_sid(sid);
    }
    Ok(match back {
        Some(back) => BrowserResponse::Redirect(Redirect::to(String::from(back))),
        None => {
            let site = provider.site();
            BrowserResponse::Page(Template::render("development/logged_out", context! { site }))
        }
    })
}
