//! What a visitor sees where no route answers.

use rocket::{
    Catcher, Request, Responder, catch, catchers,
    http::{Method, Status},
};

use super::{
    guards::{Refused, Visitor, Wanted},
    login::login_address,
};
use crate::{
    Ports,
    web::{Failure, SeeOther, is_page_navigation},
};

/// All of them.
pub fn all() -> Vec<Catcher> {
    catchers![login_required, anything_else]
}

#[derive(Responder)]
enum LoginOrFailure {
    Go(SeeOther),
    Fail(Failure),
}

/// A visitor without a session requested a page that needs one: to `/login` and back.
#[catch(401)]
async fn login_required(request: &Request<'_>) -> LoginOrFailure {
    // Rocket dropped what the guards did to the cookies: a broken session is cleared once more.
    if let Some(ports) = request.rocket().state::<Ports>() {
        let _ = ports.sessions.of(request).current().await;
    }
    if !is_page_navigation(request) {
        return LoginOrFailure::Fail(Failure::new(
            Status::Unauthorized,
            "Requires authentication",
            "You are not logged in, or no longer.",
            "Log in, then try again.",
        ));
    }
    // What was sent with another method cannot be sent again by a redirect.
    let next = matches!(request.method(), Method::Get | Method::Head)
        .then(|| ("next", request.uri().to_string()));
    let max_age = Wanted::of(request).map(|seconds| ("max_age", seconds.to_string()));
    let parameters: Vec<_> = max_age.into_iter().chain(next).collect();
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| (*name, &**value)).collect();
    LoginOrFailure::Go(SeeOther::to(login_address(&parameters)))
}

#[catch(default)]
async fn anything_else(status: Status, request: &Request<'_>) -> Failure {
    // The layout shows who is signed in, here as everywhere.
    if status != Status::ServiceUnavailable {
        Visitor::of(request).await;
    }
    let home = |failure: Failure| failure.with_action("Home page", "/");
    match (status.code, Refused::of(request)) {
        (403, Some(refused)) => home(by_guard(refused)),
        (403, None) => home(Failure::new(
            status,
            "Permission denied",
            "Your account may not see this page.",
            "Contact an administrator of this site.",
        )),
        (404, _) => home(Failure::new(
            status,
            "Page not found",
            "There is no page at this address.",
            "Check the address, or start at the home page.",
        )),
        (413, _) => home(Failure::new(status, "Too much", "That is more than this site takes.", "Send less.")),
        (503, _) => Failure::new(
            status,
            "The site is not available just now",
            "This site cannot look up who you are at the moment. You have not been logged out.",
            "Try again in a moment.",
        ),
        (400..=499, _) => home(Failure::new(
            status,
            "That did not work",
            "Your browser sent something that this site does not understand.",
            "Start again at the home page.",
        )),
        _ => home(
            Failure::new(
                status,
                "Something went wrong",
                "This site made a mistake. It has been noted.",
                "Try again in a moment. If it happens again, contact the operators of this site and give them the reference.",
            )
            .caused_by(format_args!("no route gave an answer ({status})")),
        ),
    }
}

/// The page for a request that a guard of [`super::guards`] refused.
fn by_guard(refused: Refused) -> Failure {
    match refused {
        Refused::CrossSite => Failure::new(
            Status::Forbidden,
            "Request refused",
            "This request did not come from a page of this site. Nothing has been changed.",
            "Open the page here and try again.",
        ),
        Refused::NotNavigated => Failure::new(
            Status::Forbidden,
            "Request refused",
            "This address works only when you open it in your browser. Nothing has been changed.",
            "Open it again.",
        ),
        Refused::LacksPermission(permission) => Failure::new(
            Status::Forbidden,
            "Permission denied",
            format!("This page needs the permission {permission}, which your account does not have."),
            "Ask an administrator of this site for it, then log out and log in again: permissions come with the log-in.",
        )
        .caused_by(format_args!("the user lacks the permission {permission}")),
    }
}
