//! The end-session endpoint (OpenID Connect RP-Initiated Logout 1.0, section 2).

use std::sync::Arc;

use rocket::{Route, State, get, http::CookieJar, post, response::Redirect, routes};
use rocket_dyn_templates::{Template, context};
use serde_json::json;
use url::Url;

use super::response::{BrowserResponse, error_page};
use crate::{
    model::{overrides::LogOut, provider::Provider},
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

/// Validates the whole request before the session ends.
fn end_session(
    provider: &Provider,
    jar: &CookieJar<'_>,
    parameters: &Parameters,
) -> Result<BrowserResponse, &'static str> {
    if parameters.has_duplicates() {
        return Err("A parameter occurs more than once.");
    }
    let client = &provider.client;
    let hint = match parameters.get("id_token_hint") {
        // An expired ID token is accepted as a hint (section 2).
        Some(token) => {
            let claims =
                provider.keys.read(token).ok_or("The id_token_hint is not from this provider.")?;
            let id = json!(client.id);
            let audience = &claims["aud"];
            let is_audience =
                *audience == id || audience.as_array().is_some_and(|all| all.contains(&id));
            let is_valid = claims["iss"] == provider.issuer() && is_audience;
            Some(is_valid.then_some(claims).ok_or("The id_token_hint is not from this provider.")?)
        }
        None => None,
    };
    if parameters.get("client_id").is_some_and(|id| id != client.id) {
        return Err("Unknown application (client_id).");
    }
    let redirect_parameter = match provider.dialect.overrides().log_out {
        LogOut::Standard => "post_logout_redirect_uri",
        LogOut::LogoutUri => "logout_uri",
    };
    if redirect_parameter == "logout_uri"
        && ["client_id", "logout_uri"].iter().any(|name| parameters.get(name).is_none())
    {
        return Err("This identity provider needs client_id and logout_uri to log out.");
    }
    let target = match parameters.get(redirect_parameter) {
        Some(_) if hint.is_none() && parameters.get("client_id").is_none() => {
            return Err("post_logout_redirect_uri needs an id_token_hint or a client_id.");
        }
        Some(address) if address == client.post_logout_redirect_uri => {
            let mut url = Url::parse(address).map_err(|_| "The redirect URI is malformed.")?;
            if let Some(state) = parameters.get("state") {
                url.query_pairs_mut().append_pair("state", state);
            }
            Some(url)
        }
        Some(_) => {
            return Err("The application is not registered with this redirect URI \
                        (post_logout_redirect_uri).");
        }
        None => None,
    };
    session_cookie::end_session(&provider.sessions, jar);
    if let Some(sid) = hint.as_ref().and_then(|claims| claims["sid"].as_str()) {
        provider.sessions.end_by_sid(sid);
    }
    Ok(match target {
        Some(url) => BrowserResponse::Redirect(Redirect::to(String::from(url))),
        None => {
            let site = provider.site();
            BrowserResponse::Page(Template::render("development/logged_out", context! { site }))
        }
    })
}
