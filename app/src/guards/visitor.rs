use portico_domain::{
    model::Session,
    ports::{SessionStore, SessionsUnavailable},
    use_cases::LoadSession,
};
use rocket::{
    Request,
    http::Status,
    request::{FromRequest, Outcome},
};

use super::Reference;
use crate::ports::Ports;

/// The visitor, logged in or not.
///
/// All guards of a request share one lookup of the session. What goes to the session store itself
/// may read the session again: a route that takes [`Store`], as the message pages do to refresh a
/// token, and the catcher for 401. A store that is out of reach fails the request with 503: a
/// visitor whose session cannot be read must not be treated as logged out.
#[derive(Clone, Copy, Debug)]
pub struct Visitor<'r> {
    /// `None` for a stranger.
    pub session: Option<&'r Session>,
}

/// What is known of the visitor of one request, kept with the request.
type Known = Result<Option<Session>, SessionsUnavailable>;

impl<'r> Visitor<'r> {
    /// Who is visiting; `None` when the session store is out of reach or the site has none.
    pub async fn of(request: &'r Request<'_>) -> Option<Self> {
        let ports = request.rocket().state::<Ports>()?;
        let known: &Known = request
            .local_cache_async(async {
                let who = LoadSession { clock: &*ports.clock, lifetimes: ports.lifetimes };
                let known = who.run(&*ports.sessions.of(request.cookies())).await;
                if let Err(cause) = &known {
                    log::error!("{}: {cause}", Reference::of(request));
                }
                known
            })
            .await;
        known.as_ref().ok().map(|session| Self { session: session.as_ref() })
    }

    /// What an earlier guard of this request found out; a stranger where none asked.
    pub fn known_to(request: &'r Request<'_>) -> Self {
        let known: &Known = request.local_cache(|| Ok(None));
        Self { session: known.as_ref().ok().and_then(Option::as_ref) }
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Visitor<'r> {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        match Self::of(request).await {
            Some(visitor) => Outcome::Success(visitor),
            None => Outcome::Error((Status::ServiceUnavailable, ())),
        }
    }
}

/// The session store over this request's cookies: for the routes that sign in and out.
pub struct Store<'r>(pub Box<dyn SessionStore + 'r>);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Store<'r> {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        match request.rocket().state::<Ports>() {
            Some(ports) => Outcome::Success(Self(ports.sessions.of(request.cookies()))),
            None => Outcome::Error((Status::InternalServerError, ())),
        }
    }
}
