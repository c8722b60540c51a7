use portico_domain::use_cases::LogOutOutcome;
use rocket::{Responder, Route, State, get, head, http::Status, post, routes};

use crate::{
    guards::{SameOrigin, Stores, UserNavigation, Visitor},
    ports::Ports,
    views::{Failure, LogOutConfirmView, LoggedOutView, Page, SeeOther},
};

pub(super) fn routes() -> Vec<Route> {
    routes![log_out, log_out_by_address, log_out_head]
}

#[derive(Responder)]
enum Answer {
    Go(SeeOther),
    Confirm(Page<LogOutConfirmView>),
    LocalOnly(Page<LoggedOutView>),
}

/// Other ports of this host are the same site, so that `SameSite=Lax` alone would let them log users
/// out.
#[post("/logout")]
async fn log_out(
    own: Option<SameOrigin>,
    stores: Stores<'_>,
    ports: &State<Ports>,
) -> Result<Answer, Failure> {
    match own {
        Some(_) => end(ports, stores).await,
        None => Ok(confirm()),
    }
}

/// Asks, unless the user opened the address: a link or an image of another site, or a prefetch, must
/// not log users out.
#[get("/logout")]
async fn log_out_by_address(
    navigation: Option<UserNavigation>,
    visitor: Visitor<'_>,
    stores: Stores<'_>,
    ports: &State<Ports>,
) -> Result<Answer, Failure> {
    match (visitor.session, navigation) {
        (None, _) => Ok(home()),
        (Some(_), Some(_)) => end(ports, stores).await,
        (Some(_), None) => Ok(confirm()),
    }
}

/// HEAD must not change anything (RFC 9110, section 9.2.1).
#[head("/logout")]
fn log_out_head(visitor: Visitor<'_>) -> Answer {
    if visitor.session.is_some() { confirm() } else { home() }
}

fn confirm() -> Answer {
    Answer::Confirm(Page::new(LogOutConfirmView {}))
}

fn home() -> Answer {
    Answer::Go(SeeOther("/".into()))
}

async fn end(ports: &Ports, stores: Stores<'_>) -> Result<Answer, Failure> {
    let here_only = |what, todo| Answer::LocalOnly(Page::new(LoggedOutView { what, todo }));
    match ports.log_out().run(&*stores.session, &*stores.attempts).await {
        Ok(LogOutOutcome::NotLoggedIn) => Ok(home()),
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
