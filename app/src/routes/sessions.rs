use portico_domain::ports::SessionsUnavailable;
use rocket::{FromForm, Route, State, form::Form, get, http::Status, post, routes};

use crate::{
    guards::{LoginRequired, SameOrigin},
    ports::Ports,
    views::{Failure, Page, SeeOther, SessionsView},
};

pub(super) fn routes() -> Vec<Route> {
    routes![sessions, end_one, end_others]
}

#[get("/sessions")]
async fn sessions(
    person: LoginRequired<'_>,
    ports: &State<Ports>,
) -> Result<Page<SessionsView>, Failure> {
    let listed = ports.manage_sessions().list(&person).await.map_err(unavailable)?;
    Ok(Page::new(SessionsView::new(&person, listed)))
}

/// The session that the pressed button stands beside.
#[derive(FromForm)]
struct Chosen {
    id: String,
}

#[post("/sessions/end", data = "<chosen>")]
async fn end_one(
    origin: SameOrigin,
    person: LoginRequired<'_>,
    chosen: Form<Chosen>,
    ports: &State<Ports>,
) -> Result<SeeOther, Failure> {
    if origin == SameOrigin::No {
        return Err(asked_elsewhere());
    }
    // What names no session has none to end, as one that ended already.
    if let Ok(id) = chosen.id.parse() {
        ports.manage_sessions().end_one(&person, id).await.map_err(unavailable)?;
    }
    Ok(back())
}

#[post("/sessions/end-others")]
async fn end_others(
    origin: SameOrigin,
    person: LoginRequired<'_>,
    ports: &State<Ports>,
) -> Result<SeeOther, Failure> {
    if origin == SameOrigin::No {
        return Err(asked_elsewhere());
    }
    ports.manage_sessions().end_others(&person).await.map_err(unavailable)?;
    Ok(back())
}

fn back() -> SeeOther {
    SeeOther("/sessions".into())
}

/// As at log-out: the cookie is `SameSite=Lax`, but other ports of this host are the same site.
fn asked_elsewhere() -> Failure {
    Failure::new(
        Status::Forbidden,
        "Nothing has been ended",
        "Another site asked for this, not the page with your sessions.",
        "If you want to end a session, do so there.",
    )
    .with_action("Your sessions", "/sessions")
}

fn unavailable(cause: SessionsUnavailable) -> Failure {
    Failure::new(
        Status::ServiceUnavailable,
        "Your sessions are out of reach",
        "The place where sign-ins are kept does not answer. What you wanted to end may still go on.",
        "Try again in a moment.",
    )
    .with_action("Try again", "/sessions")
    .caused_by(cause)
}
