//! The page on which a developer chooses a fault or a dialect, to see how the application handles it.

use std::{sync::Arc, time::Duration};

use rocket::{
    Route, State,
    form::Form,
    get,
    http::Status,
    post,
    request::FlashMessage,
    response::{Flash, Redirect},
    routes,
};
use rocket_dyn_templates::{Template, context};
use serde_json::json;
use url::{Url, form_urlencoded};

use crate::{
    model::{dialect::Dialect, faults::Fault, logout_token::logout_token, provider::Provider},
    web::same_origin::SameOrigin,
};

pub(crate) fn routes() -> Vec<Route> {
    routes![page, choose, choose_dialect, rotate, end_sessions]
}

/// Longer than the time-out of any client.
const SLOW_RESPONSE: Duration = Duration::from_secs(60);

/// A fault to choose: form value, fault, label.
type Choice = (&'static str, Fault, &'static str);

/// The faults by the time at which the user sees them.
const GROUPS: [(&str, &[Choice]); 4] = [
    (
        "Shows at the next log-in",
        &[
            (
                "access-denied",
                Fault::AuthorizationError("access_denied"),
                "Log-ins fail with access_denied",
            ),
            (
                "temporarily-unavailable",
                Fault::AuthorizationError("temporarily_unavailable"),
                "Log-ins fail with temporarily_unavailable",
            ),
            ("token-slow", Fault::TokenSlow(SLOW_RESPONSE), "The token endpoint takes a minute"),
            ("token-fails", Fault::TokenFails, "The token endpoint responds with status 500"),
            ("nonce", Fault::WrongNonce, "The ID token has the nonce of another log-in"),
            ("expired", Fault::Expired, "The ID token has expired"),
            ("issuer", Fault::WrongIssuer, "The ID token is from another issuer"),
            ("audience", Fault::WrongAudience, "The ID token is for another application"),
            ("unsigned", Fault::AlgNone, "The ID token has no signature"),
            ("signature", Fault::InvalidSignature, "The ID token has an invalid signature"),
            ("at-hash", Fault::WrongAccessTokenHash, "The ID token is for another access token"),
        ],
    ),
    (
        "Shows at the next log-in if the application asks userinfo (OIDC_USERINFO=always)",
        &[("subject", Fault::UserinfoWrongSubject, "Userinfo is about another user")],
    ),
    (
        "Shows at the next log-in: the application discards its copy of the metadata",
        &[("discovery", Fault::DiscoveryFails, "No metadata")],
    ),
    (
        "Shows when a user who logged in after the choice reads a message 20 seconds later",
        &[("short", Fault::ShortAccessTokens(20), "Access tokens expire after 20 seconds")],
    ),
];

/// The form value for no fault.
const NO_FAULT: &str = "no-fault";

#[derive(rocket::FromForm)]
struct FaultForm<'r> {
    fault: &'r str,
}

#[derive(rocket::FromForm)]
struct DialectForm<'r> {
    /// The name of a dialect; empty for none.
    dialect: &'r str,
}

#[get("/misbehave")]
fn page(provider: &State<Arc<Provider>>, done: Option<FlashMessage<'_>>) -> Template {
    let groups = GROUPS.map(|(when, choices)| {
        let choices = choices.iter().map(|(value, fault, label)| {
            context! { value, label, checked: provider.faults.has(*fault) }
        });
        context! { when, choices: choices.collect::<Vec<_>>() }
    });
    let current = provider.dialect.get();
    let dialects = Dialect::ALL.map(|dialect| {
        let vendor = &dialect.overrides().vendor;
        context! { name: dialect.name(), vendor, selected: Some(dialect) == current }
    });
    let overrides = provider.dialect.overrides();
    Template::render(
        "development/misbehave",
        context! {
            groups,
            dialects,
            notes: &overrides.notes,
            settings: overrides.settings.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>(),
            no_fault: NO_FAULT,
            none_checked: provider.faults.is_empty(),
            message: done.as_ref().map(|done| done.message()),
            site: provider.site(),
        },
    )
}

/// Back to the page, which says what was done.
fn done(message: impl Into<String>) -> Flash<Redirect> {
    Flash::success(Redirect::to("/misbehave"), message.into())
}

/// Switches one fault on, or none, and all others off.
#[post("/misbehave", data = "<form>")]
fn choose(
    _origin: SameOrigin,
    provider: &State<Arc<Provider>>,
    form: Form<FaultForm<'_>>,
) -> Result<Flash<Redirect>, Status> {
    let mut choices = GROUPS.iter().flat_map(|(_, choices)| *choices);
    let chosen = choices.find(|(value, ..)| *value == form.fault);
    if chosen.is_none() && form.fault != NO_FAULT {
        return Err(Status::UnprocessableEntity);
    }
    provider.faults.clear();
    let message = match chosen {
        Some((_, fault, label)) => {
            provider.faults.set(*fault);
            format!("Switched on: {label}.")
        }
        None => "All faults are switched off.".to_owned(),
    };
    provider.discard_metadata();
    Ok(done(message))
}

/// Switches a dialect on, or none.
#[post("/misbehave/dialect", data = "<form>")]
fn choose_dialect(
    _origin: SameOrigin,
    provider: &State<Arc<Provider>>,
    form: Form<DialectForm<'_>>,
) -> Result<Flash<Redirect>, Status> {
    let dialect = match form.dialect {
        "" => None,
        name => Some(name.parse::<Dialect>().map_err(|_| Status::UnprocessableEntity)?),
    };
    provider.dialect.set(dialect);
    provider.discard_metadata();
    Ok(done(match dialect {
        Some(dialect) => format!("The provider now answers like {}.", dialect.overrides().vendor),
        None => "The provider now answers in its own way.".to_owned(),
    }))
}

#[post("/misbehave/rotate")]
async fn rotate(
    _origin: SameOrigin,
    provider: &State<Arc<Provider>>,
) -> Result<Flash<Redirect>, Status> {
    provider.keys.rotate().await.map_err(|_| Status::InternalServerError)?;
    Ok(done("The provider now signs with a new key."))
}

/// Ends all sessions and sends a logout token for each to the application (OpenID Connect
/// Back-Channel Logout, section 2.5).
#[post("/misbehave/log-out")]
async fn end_sessions(_origin: SameOrigin, provider: &State<Arc<Provider>>) -> Flash<Redirect> {
    let ended = provider.sessions.end_all();
    if ended.is_empty() {
        return done("No user has a session.");
    }
    let mut responses = Vec::new();
    for session in ended {
        let claims = json!({ "sid": session.sid, "sub": session.account.subject });
        let status = match logout_token(provider, &json!({}), &claims) {
            Some(token) => send_logout_token(provider, &token).await,
            None => None,
        };
        responses.push(status.map_or("no response".into(), |status| status.to_string()));
    }
    let responses = responses.join(", ");
    done(format!("All sessions have ended. The application responded with {responses}."))
}

/// The status with which the application responded; `None` if it did not.
async fn send_logout_token(provider: &Provider, token: &str) -> Option<u16> {
    let url = Url::parse(&provider.site()?).ok()?.join("/backchannel-logout").ok()?;
    let form =
        form_urlencoded::Serializer::new(String::new()).append_pair("logout_token", token).finish();
    let request = http::Request::post(url.as_str())
        .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form.into_bytes())
        .ok()?;
    provider.http.send(request).await.ok().map(|response| response.status().as_u16())
}
