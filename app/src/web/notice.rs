//! A sentence that the next page shows once: what a form has done, after the redirect that followed.

use rocket::{
    Request,
    fairing::AdHoc,
    http::{Cookie, Header, Method, SameSite},
    response::{self, Responder},
    time::Duration,
};
use url::Url;

use super::{SeeOther, is_page_navigation};
use crate::{About, sign_in::guards::is_prefetch};

/// How long the page that shows it may take: a log-out passes through the provider.
const LIFETIME: Duration = Duration::minutes(5);

/// What has been done. The cookie names one of these and no text, so that it needs no encryption:
/// who can forge it can choose a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The user has logged out.
    LoggedOut,
    /// The user has ended one of the other sessions.
    SessionEnded,
    /// The user has ended all other sessions.
    OtherSessionsEnded,
}

const ALL: [Notice; 3] = [Notice::LoggedOut, Notice::SessionEnded, Notice::OtherSessionsEnded];

/// A redirect to a page that shows the notice.
#[derive(Debug)]
pub struct WithNotice(pub SeeOther, pub Notice);

impl<'r> Responder<'r, 'static> for WithNotice {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let Self(to, notice) = self;
        let mut response = to.respond_to(request)?;
        response.adjoin_header(cookie(request, notice.code(), LIFETIME));
        Ok(response)
    }
}

impl Notice {
    fn code(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged-out",
            Self::SessionEnded => "session-ended",
            Self::OtherSessionsEnded => "other-sessions-ended",
        }
    }

    /// What the page says to a visitor who may be logged in or not; `None` where that is not
    /// certainly true any more.
    pub(super) fn text(self, may_be_logged_in: bool) -> Option<&'static str> {
        match self {
            Self::LoggedOut if may_be_logged_in => None,
            Self::LoggedOut => Some("You are logged out."),
            Self::SessionEnded => Some("The session has ended."),
            Self::OtherSessionsEnded => Some("All your other sessions have ended."),
        }
    }

    /// What this request's page shows.
    pub(super) fn of(request: &Request<'_>) -> Option<Self> {
        *request.local_cache(|| None)
    }

    /// The header that makes this the last page to show it.
    pub(super) fn removal(request: &Request<'_>) -> Header<'static> {
        cookie(request, "", Duration::ZERO).into()
    }
}

/// Browsers send the cookies of a host to all its ports.
fn name(about: Option<&About>) -> String {
    let port = about
        .and_then(|about| Url::parse(&about.origin).ok()?.port_or_known_default())
        .unwrap_or_default();
    format!("portico_notice.{port}")
}

fn cookie(request: &Request<'_>, value: &'static str, lifetime: Duration) -> Cookie<'static> {
    let about = request.rocket().state::<About>();
    Cookie::build((name(about), value))
        .path("/")
        .http_only(true)
        .secure(about.is_some_and(|about| about.https))
        // Lax, not Strict: the provider's redirect after a log-out is a cross-site navigation.
        .same_site(SameSite::Lax)
        .max_age(lifetime)
        .build()
}

/// Reads the notice of a request whose answer the visitor sees. A HEAD or a prefetch must not use it
/// up, and later Rocket calls a HEAD GET.
pub(crate) fn fairing() -> AdHoc {
    AdHoc::on_request("notice", |request, _| {
        Box::pin(async move {
            let is_seen = request.method() != Method::Head
                && is_page_navigation(request)
                && !is_prefetch(request);
            let name = name(request.rocket().state());
            let found = request.cookies().get(&name).filter(|_| is_seen);
            let notice =
                found.and_then(|it| ALL.into_iter().find(|notice| notice.code() == it.value()));
            request.local_cache(|| notice);
        })
    })
}
