//! The cookie that names the browser's session at the provider.

use rocket::http::{Cookie, CookieJar, SameSite};

use crate::model::sessions::{ProviderSession, ProviderSessions};

/// Not `session`: cookies are shared between ports, and the site has its own on the same host.
const COOKIE: &str = "portico_development_provider";

/// The browser's session; `None` without one.
pub(crate) fn current_session(
    sessions: &ProviderSessions,
    jar: &CookieJar<'_>,
) -> Option<ProviderSession> {
    sessions.get(jar.get(COOKIE)?.value())
}

/// Starts a session under the new random `id`, and ends the browser's earlier one.
pub(crate) fn start_session(
    sessions: &ProviderSessions,
    jar: &CookieJar<'_>,
    id: String,
    session: ProviderSession,
) {
    if let Some(earlier) = jar.get(COOKIE) {
        sessions.end(earlier.value());
    }
    sessions.start(id.clone(), session);
    // Lax, not Strict: the authorization request comes from another site. Not Secure: the provider
    // uses plain HTTP on loopback.
    jar.add(Cookie::build((COOKIE, id)).path("/").http_only(true).same_site(SameSite::Lax));
}

/// Ends the browser's session, if it has one.
pub(crate) fn end_session(sessions: &ProviderSessions, jar: &CookieJar<'_>) {
    if let Some(cookie) = jar.get(COOKIE) {
        sessions.end(cookie.value());
        jar.remove(Cookie::build(COOKIE).path("/"));
    }
}
