//! Who is signed in at the provider itself: this is what makes a second login pass straight
//! through.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use rocket::http::{Cookie, CookieJar, SameSite};

use crate::accounts::Account;

/// The cookie that holds the random name of a sign-in. Not `session`: cookies don't know ports,
/// and the site has its own on the same host.
const COOKIE: &str = "portico_development_provider";

/// One browser's sign-in.
#[derive(Clone)]
pub(super) struct SignIn {
    pub(super) account: Arc<Account>,
    pub(super) since: DateTime<Utc>,
    /// Its public name, the claim `sid`.
    pub(super) sid: String,
}

/// All of them, by the cookie's value.
#[derive(Default)]
pub(super) struct SignIns(Mutex<HashMap<String, SignIn>>);

impl SignIns {
    /// The sign-in of this browser.
    pub(super) fn of(&self, jar: &CookieJar<'_>) -> Option<SignIn> {
        let id = jar.get(COOKIE)?.value();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Starts one under the fresh random name `id`, in place of the browser's earlier one.
    pub(super) fn start(&self, jar: &CookieJar<'_>, id: String, sign_in: SignIn) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(earlier) = jar.get(COOKIE) {
            all.remove(earlier.value());
        }
        all.insert(id.clone(), sign_in);
        // Lax, not Strict: the authorization request comes from another site. Not Secure: loopback
        // speaks plain HTTP.
        jar.add(Cookie::build((COOKIE, id)).path("/").http_only(true).same_site(SameSite::Lax));
    }

    /// Ends all of them; those that there were.
    pub(super) fn end_all(&self) -> Vec<SignIn> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.drain().map(|(_, sign_in)| sign_in).collect()
    }

    /// Ends the browser's sign-in, and the one named by `sid`.
    pub(super) fn end(&self, jar: &CookieJar<'_>, sid: Option<&str>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cookie) = jar.get(COOKIE) {
            all.remove(cookie.value());
            jar.remove(Cookie::build(COOKIE).path("/"));
        }
        all.retain(|_, sign_in| Some(sign_in.sid.as_str()) != sid);
    }
}
