use portico_domain::{
    model::Session,
    ports::{LoginAttempts, SessionStore, SessionsUnavailable},
};
use rocket::{
    Request,
    http::Status,
    request::{FromRequest, Outcome},
};

use crate::{Ports, web::Reference};

/// The visitor, logged in or not.
///
/// All guards of a request share one lookup of the session. What goes to the session store itself
/// may read the session again: a route that takes [`Stores`], as the message pages do to refresh a
/// token, and the catcher for 401. While the session store is out of reach, the visitor is unknown:
/// public pages are shown, and the guards that need a session fail with 503. Such a visitor
/// must not be treated as logged out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Visitor<'r> {
    /// `None` where the visitor is not logged in, or unknown.
    pub session: Option<&'r Session>,
    /// Whether the session store is out of reach, so that the visitor may be logged in.
    pub is_unknown: bool,
}

/// The result of the lookup, cached with the request.
type Loaded = Result<Option<Session>, SessionsUnavailable>;

impl<'r> Visitor<'r> {
    /// The visitor of the request. `None` when the site has no session store.
    pub async fn of(request: &'r Request<'_>) -> Option<Self> {
        let ports = Ports::of(request)?;
        let loaded: &Loaded = request
            .local_cache_async(async {
                let loaded = ports.load_session().run(&*ports.sessions.of(request)).await;
                if let Err(cause) = &loaded {
                    log::error!(
                        "failed to load session: {cause} reference={}",
                        Reference::of(request)
                    );
                }
                loaded
            })
            .await;
        Some(Self::new(loaded))
    }

    /// The result of an earlier guard of this request; without a session where no guard looked it up.
    pub fn known_to(request: &'r Request<'_>) -> Self {
        let loaded: &Loaded = request.local_cache(|| Ok(None));
        Self::new(loaded)
    }

    /// The visitor with this session.
    pub fn logged_in(session: &'r Session) -> Self {
        Self { session: Some(session), is_unknown: false }
    }

    /// A visitor of whom nothing is known, because the session store is out of reach.
    pub fn unknown() -> Self {
        Self { session: None, is_unknown: true }
    }

    fn new(loaded: &'r Loaded) -> Self {
        loaded.as_ref().map_or_else(
            |_| Self::unknown(),
            |session| Self { session: session.as_ref(), is_unknown: false },
        )
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

/// The session and the log-in attempts of the visitor, for the routes that log in and out.
pub struct Stores<'r> {
    /// The session.
    pub session: Box<dyn SessionStore + 'r>,
    /// The log-in attempts.
    pub attempts: Box<dyn LoginAttempts + 'r>,
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Stores<'r> {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        match Ports::of(request) {
            Some(ports) => Outcome::Success(Self {
                session: ports.sessions.of(request),
                attempts: ports.attempts.of(request),
            }),
            None => Outcome::Error((Status::InternalServerError, ())),
        }
    }
}
