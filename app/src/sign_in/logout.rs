use portico_domain::use_cases::LogOutOutcome;
use rocket::{Responder, Route, State, get, head, http::Status, post, routes};
use serde::Serialize;

use super::guards::{SameOrigin, Stores, UserNavigation, Visitor};
use crate::{
    Ports,
    web::{Failure, Notice, Page, SeeOther, View, WithNotice},
};

pub(super) fn routes() -> Vec<Route> {
    routes![log_out, log_out_by_address, log_out_head, returned]
}

/// Asks whether to log out.
#[derive(Debug, Serialize)]
struct LogOutConfirmView {}

impl View for LogOutConfirmView {
    const TEMPLATE: &'static str = "log_out_confirm";
}

/// Says that the user is logged out here, and perhaps not at the provider.
#[derive(Debug, Serialize)]
struct LoggedOutView {
    /// What happened.
    what: &'static str,
    /// What the user can do.
    todo: &'static str,
}

impl View for LoggedOutView {
    const TEMPLATE: &'static str = "logged_out";
}

#[derive(Responder)]
enum LogOutPage<'r> {
    Go(SeeOther),
    AtProvider(WithNotice),
    Confirm(Page<'r, LogOutConfirmView>),
    LocalOnly(Page<'r, LoggedOutView>),
}

/// Other ports of this host are the same site, so that `SameSite=Lax` alone would let them log users
/// out.
#[post("/logout")]
async fn log_out<'r>(
    own: Option<SameOrigin>,
    visitor: Option<Visitor<'r>>,
    stores: Stores<'r>,
    ports: &State<Ports>,
) -> Result<LogOutPage<'r>, Failure> {
    match own {
        Some(_) => end(ports, stores).await,
        None => Ok(confirm(visitor.unwrap_or_default())),
    }
}

/// Asks, unless the user opened the address: a link or an image of another site, or a prefetch, must
/// not log users out.
#[get("/logout")]
async fn log_out_by_address<'r>(
    navigation: Option<UserNavigation>,
    visitor: Visitor<'r>,
    stores: Stores<'r>,
    ports: &State<Ports>,
) -> Result<LogOutPage<'r>, Failure> {
    match navigation {
        _ if is_logged_out(visitor) => Ok(home()),
        Some(_) => end(ports, stores).await,
        None => Ok(confirm(visitor)),
    }
}

/// HEAD must not change anything (RFC 9110, section 9.2.1).
#[head("/logout")]
fn log_out_head(visitor: Visitor<'_>) -> LogOutPage<'_> {
    if is_logged_out(visitor) { home() } else { confirm(visitor) }
}

/// The way back from the provider's log-out (OpenID Connect RP-Initiated Logout, section 3). Nothing
/// depends on the `state`: it only has to leave the address.
#[get("/?<state>")]
fn returned(state: &str) -> SeeOther {
    let _any = state;
    SeeOther::to("/")
}

fn is_logged_out(visitor: Visitor<'_>) -> bool {
    visitor.session.is_none() && !visitor.is_unknown
}

fn confirm(visitor: Visitor<'_>) -> LogOutPage<'_> {
    LogOutPage::Confirm(Page::new(visitor, LogOutConfirmView {}))
}

fn home() -> LogOutPage<'static> {
    LogOutPage::Go(SeeOther::to("/"))
}

async fn end<'r>(ports: &Ports, stores: Stores<'r>) -> Result<LogOutPage<'r>, Failure> {
    let here_only = |what, todo| {
        LogOutPage::LocalOnly(Page::new(Visitor::default(), LoggedOutView { what, todo }))
    };
    match ports.log_out().run(&*stores.session, &*stores.attempts).await {
        Ok(LogOutOutcome::NotLoggedIn) => Ok(home()),
        Ok(LogOutOutcome::AtProvider(url)) => {
            Ok(LogOutPage::AtProvider(WithNotice(SeeOther::to(url), Notice::LoggedOut)))
        }
        Ok(LogOutOutcome::LocalOnly) => Ok(here_only(
            "You are logged out of this site. Your identity provider has no log-out page that this site could send you to.",
            "On a shared computer, close the browser or log out there as well.",
        )),
        Ok(LogOutOutcome::ProviderUnavailable(cause)) => {
            log::warn!("logged out here only: {cause}");
            Ok(here_only(
                "You are logged out of this site. Your identity provider cannot be reached, so you may still be logged in there.",
                "On a shared computer, close the browser or log out there later.",
            ))
        }
        Err(cause) => Err(Failure::new(
            Status::ServiceUnavailable,
            "You are still signed in",
            "This site cannot end your session at the moment.",
            "Try again in a moment.",
        )
        .session_unknown()
        .caused_by(cause)),
    }
}
