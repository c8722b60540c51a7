use portico_domain::use_cases::LogOutOutcome;
use rocket::{Responder, Route, State, get, http::Status, post, routes};

use crate::{
    guards::{SameOrigin, Stores, Visitor},
    ports::Ports,
    views::{Failure, LogOutConfirmView, LoggedOutView, Page, SeeOther},
};

pub(super) fn routes() -> Vec<Route> {
    routes![log_out, log_out_by_address]
}

#[derive(Responder)]
enum Answer {
    Go(SeeOther),
    Confirm(Page<LogOutConfirmView>),
    LocalOnly(Page<LoggedOutView>),
}

#[post("/logout")]
async fn log_out(
    origin: SameOrigin,
    stores: Stores<'_>,
    ports: &State<Ports>,
) -> Result<Answer, Failure> {
    // The cookie is `SameSite=Lax`, so that a foreign page's POST finds a stranger; other ports
    // of this host are the same site, though, and must not log people out either.
    match origin {
        SameOrigin::No => Ok(Answer::Confirm(Page::new(LogOutConfirmView {}))),
        SameOrigin::Yes | SameOrigin::Unknown => end(ports, stores).await,
    }
}

/// A link or an image of another site must not log people out: it asks first.
#[get("/logout")]
async fn log_out_by_address(
    origin: SameOrigin,
    visitor: Visitor<'_>,
    stores: Stores<'_>,
    ports: &State<Ports>,
) -> Result<Answer, Failure> {
    match (origin, visitor.session) {
        (_, None) => Ok(Answer::Go(SeeOther("/".into()))),
        (SameOrigin::Yes, Some(_)) => end(ports, stores).await,
        (SameOrigin::No | SameOrigin::Unknown, Some(_)) => {
            Ok(Answer::Confirm(Page::new(LogOutConfirmView {})))
        }
    }
}

async fn end(ports: &Ports, stores: Stores<'_>) -> Result<Answer, Failure> {
    let here_only = |what, todo| Answer::LocalOnly(Page::new(LoggedOutView { what, todo }));
    match ports.log_out().run(&*stores.session, &*stores.attempts).await {
        Ok(LogOutOutcome::NotLoggedIn) => Ok(Answer::Go(SeeOther("/".into()))),
        Ok(LogOutOutcome::AtProvider(url)) => Ok(Answer::Go(SeeOther(url))),
        Ok(LogOutOutcome::LocalOnly) => Ok(here_only(
            "You are signed out of this site. The service that you signed in with has no way to log out that this site could send you to.",
            "On a shared computer, close the browser or sign out there as well.",
        )),
        Ok(LogOutOutcome::ProviderUnavailable(cause)) => {
            log::warn!("logged out here only: {cause}");
            Ok(here_only(
                "You are signed out of this site. The service that you signed in with cannot be reached, so you may still be signed in there.",
                "On a shared computer, close the browser or sign out there later.",
            ))
        }
        Err(cause) => Err(Failure::new(
            Status::ServiceUnavailable,
            "You are still signed in",
            "This site cannot end your session at the moment.",
            "Try again in a moment.",
        )
        .caused_by(cause)),
    }
}
