use chrono::TimeDelta;
use cookie::Key;
use rocket::{
    http::{Cookie, CookieJar, SameSite},
    time::{Duration, OffsetDateTime},
};

use super::SessionSettings;

/// How the site's cookies are made and opened.
pub(super) struct Cookies {
    secure: bool,
    previous: Vec<Key>,
}

impl Cookies {
    pub(super) fn new(settings: &SessionSettings) -> Self {
        Self { secure: settings.secure, previous: settings.keys.previous_of_cookies() }
    }

    pub(super) fn of<'r>(&'r self, jar: &'r CookieJar<'r>) -> Jar<'r> {
        Jar { cookies: self, jar }
    }
}

/// The private cookies of one request. It does not show what was added in the same request.
#[derive(Clone, Copy)]
pub(super) struct Jar<'r> {
    cookies: &'r Cookies,
    jar: &'r CookieJar<'r>,
}

/// The text that a cookie held.
pub(super) struct Opened {
    pub(super) text: String,
    /// It was sealed with an earlier key, and should be sealed anew.
    pub(super) by_previous_key: bool,
}

impl Jar<'_> {
    fn name(&self, name: &str) -> String {
        let prefix = if self.cookies.secure { "__Host-" } else { "" };
        format!("{prefix}portico_{name}")
    }

    /// `None` where there is no such cookie, or none of the site's keys opens it.
    pub(super) fn get(&self, name: &str) -> Option<Opened> {
        let name = self.name(name);
        if let Some(cookie) = self.jar.get_private(&name) {
            return Some(Opened { text: cookie.value().to_owned(), by_previous_key: false });
        }
        let sealed = self.jar.get(&name)?;
        let by_previous = |key| cookie::CookieJar::new().private(key).decrypt(sealed.clone());
        let cookie = self.cookies.previous.iter().find_map(by_previous)?;
        Some(Opened { text: cookie.value().to_owned(), by_previous_key: true })
    }

    pub(super) fn add(&self, name: &str, text: String, lasts: TimeDelta) {
        self.jar.add_private(self.cookie(name, text, lasts));
    }

    pub(super) fn remove(&self, name: &str) {
        self.jar.remove_private(self.cookie(name, String::new(), TimeDelta::zero()));
    }

    /// The names that the browser sent with this beginning.
    pub(super) fn sent(&self, beginning: &str) -> Vec<String> {
        let prefix = self.name("");
        let names = self.jar.iter().filter_map(|cookie| cookie.name().strip_prefix(&prefix));
        names.filter(|name| name.starts_with(beginning)).map(str::to_owned).collect()
    }

    /// Lax, not Strict: the callback comes from another site. A removal needs the same attributes,
    /// or browsers refuse it for a name with `__Host-`.
    fn cookie(&self, name: &str, value: String, lasts: TimeDelta) -> Cookie<'static> {
        Cookie::build((self.name(name), value))
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(self.cookies.secure)
            .max_age(Duration::seconds(lasts.num_seconds()))
            // `Max-Age` says it; without this Rocket would add a week from now.
            .expires(None::<OffsetDateTime>)
            .build()
    }
}
