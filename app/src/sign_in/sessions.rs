use portico_domain::ports::SessionsUnavailable;
use rocket::{FromForm, Route, State, form::Form, get, http::Status, post, routes, uri};

use super::{
    guards::{LoginRequired, SameOrigin},
    sessions_view::SessionsView,
};
use crate::{
    Ports,
    web::{Failure, Notice, Page, SeeOther, WithNotice},
};

pub(super) fn routes() -> Vec<Route> {
    routes![sessions, end_one, end_others]
}

#[get("/sessions")]
async fn sessions<'r>(
    user: LoginRequired<'r>,
    ports: &State<Ports>,
) -> Result<Page<'r, SessionsView>, Failure> {
    let listed = ports.manage_sessions().list(&user).await.map_err(unavailable)?;
    Ok(Page::new(user, SessionsView::new(&user, listed)))
}

/// The session to end.
#[derive(FromForm)]
struct Chosen {
    id: String,
}

#[post("/sessions/end", data = "<chosen>")]
async fn end_one(
    user: LoginRequired<'_>,
    _own: SameOrigin,
    chosen: Form<Chosen>,
    ports: &State<Ports>,
) -> Result<WithNotice, Failure> {
    // An invalid name is treated like a session that ended already.
    if let Ok(id) = chosen.id.parse() {
        ports.manage_sessions().end_one(&user, id).await.map_err(unavailable)?;
    }
    Ok(back_with(Notice::SessionEnded))
}

#[post("/sessions/end-others")]
async fn end_others(
    user: LoginRequired<'_>,
    _own: SameOrigin,
    ports: &State<Ports>,
) -> Result<WithNotice, Failure> {
    ports.manage_sessions().end_others(&user).await.map_err(unavailable)?;
    Ok(back_with(Notice::OtherSessionsEnded))
}

fn back_with(notice: Notice) -> WithNotice {
    WithNotice(SeeOther::to(uri!(sessions)), notice)
}

fn unavailable(cause: SessionsUnavailable) -> Failure {
    Failure::new(
        Status::ServiceUnavailable,
        "Your sessions are out of reach",
        "The session store cannot be reached. The session that you wanted to end may still be active.",
        "Try again in a moment.",
    )
    .with_action("Try again", uri!(sessions))
    .caused_by(cause)
}
