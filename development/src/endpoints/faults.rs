//! The page on which a person chooses how the provider misbehaves, to watch what the application
//! makes of it.

use std::{sync::Arc, time::Duration};

use rocket::{Route, State, form::Form, get, http::Status, post, response::Redirect, routes};
use rocket_dyn_templates::{Template, context};
use serde_json::json;
use url::{Url, form_urlencoded};

use crate::{
    model::{faults::Fault, logout_token::logout_token, provider::Provider},
    web::same_origin::SameOrigin,
};

pub(crate) fn routes() -> Vec<Route> {
    routes![page, choose, rotate, log_out]
}

/// Longer than anybody waits.
const SLOW: Duration = Duration::from_secs(60);

/// What can be chosen: its name in the form, and what it says on the page.
const CHOICES: [(&str, Fault, &str); 14] = [
    ("denied", Fault::AuthorizationError("access_denied"), "Answers access_denied to every login"),
    ("busy", Fault::AuthorizationError("temporarily_unavailable"), "Says that it is busy"),
    ("slow", Fault::TokenSlow(SLOW), "A token endpoint that takes a minute"),
    ("fails", Fault::TokenFails, "A token endpoint that answers 500"),
    ("nonce", Fault::WrongNonce, "An ID token with the nonce of another login"),
    ("expired", Fault::Expired, "An ID token that has expired"),
    ("issuer", Fault::WrongIssuer, "An ID token of another issuer"),
    ("audience", Fault::WrongAudience, "An ID token for another application"),
    ("none", Fault::AlgNone, "An ID token without a signature"),
    ("signature", Fault::FlippedSignature, "An ID token with a wrong signature"),
    ("hash", Fault::WrongAccessTokenHash, "An access token that was swapped"),
    ("person", Fault::UserinfoWrongSubject, "Userinfo about another person"),
    ("metadata", Fault::DiscoveryFails, "No metadata (once the application asks for them again)"),
    ("short", Fault::ShortAccessTokens(20), "Access tokens that end after 20 seconds"),
];

#[derive(rocket::FromForm)]
struct FaultForm<'r> {
    fault: &'r str,
}

#[get("/misbehave")]
fn page(provider: &State<Arc<Provider>>) -> Template {
    show(provider, "")
}

fn show(provider: &Provider, message: &str) -> Template {
    let choices = CHOICES.map(|(name, fault, words)| {
        context! { name, words, on: provider.faults.has(fault) }
    });
    let behaves = provider.faults.are_off();
    let site = provider.site();
    Template::render("development/misbehave", context! { choices, behaves, message, site })
}

/// One fault at a time, or none: that anything else is on, only tests know.
#[post("/misbehave", data = "<chosen>")]
fn choose(
    _origin: SameOrigin,
    provider: &State<Arc<Provider>>,
    chosen: Form<FaultForm<'_>>,
) -> Result<Redirect, Status> {
    let fault = CHOICES.into_iter().find(|(name, ..)| *name == chosen.fault);
    if fault.is_none() && chosen.fault != "behave" {
        return Err(Status::UnprocessableEntity);
    }
    provider.faults.clear();
    if let Some((_, fault, _)) = fault {
        provider.faults.set(fault);
    }
    Ok(Redirect::to("/misbehave"))
}

#[post("/misbehave/rotate")]
async fn rotate(_origin: SameOrigin, provider: &State<Arc<Provider>>) -> Result<Template, Status> {
    provider.keys.rotate().await.map_err(|_| Status::InternalServerError)?;
    Ok(show(provider, "The next token is signed with a new key."))
}

/// Ends every sign-in here, and tells the application (OpenID Connect Back-Channel Logout,
/// section 2.5).
#[post("/misbehave/log-out")]
async fn log_out(_origin: SameOrigin, provider: &State<Arc<Provider>>) -> Template {
    let ended = provider.sessions.end_all();
    if ended.is_empty() {
        return show(provider, "Nobody is signed in here.");
    }
    let mut answers = Vec::new();
    for session in ended {
        let claims = json!({ "sid": session.sid, "sub": session.account.subject });
        let status = match logout_token(provider, &json!({}), &claims) {
            Some(token) => tell(provider, &token).await,
            None => None,
        };
        answers.push(status.map_or("nothing".into(), |status| status.to_string()));
    }
    show(
        provider,
        &format!("Everybody is signed out here. The application answered {}.", answers.join(", ")),
    )
}

/// What the application answered; `None` where it did not.
async fn tell(provider: &Provider, token: &str) -> Option<u16> {
    let address = Url::parse(&provider.site()?).ok()?.join("/backchannel-logout").ok()?;
    let form =
        form_urlencoded::Serializer::new(String::new()).append_pair("logout_token", token).finish();
    let request = http::Request::post(address.as_str())
        .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form.into_bytes())
        .ok()?;
    provider.http.send(request).await.ok().map(|answer| answer.status().as_u16())
}
