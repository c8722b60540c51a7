//! The visitors' cookies: what all stores share about them.

use chrono::TimeDelta;
use cookie::Key;
use portico_domain::model::Lifetimes;
use rocket::{
    http::{Cookie, CookieJar, SameSite},
    time::{Duration, OffsetDateTime},
};

use super::keys::{self, KeyMaterial};

/// How a site's cookies are made.
#[derive(Clone, Debug)]
pub struct CookieSettings {
    /// Whether browsers reach the site by https. The cookies are then `Secure`, and their names
    /// begin with `__Host-`, so that no other host of the domain can set them (RFC 6265bis,
    /// section 4.1.3.2).
    pub secure: bool,
    /// Whether the provider answers by a form that it posts (`response_mode=form_post`): the
    /// attempt's cookie then has to come along with a request from another site.
    pub form_post: bool,
    /// How long sessions last.
    pub lifetimes: Lifetimes,
    /// Keys that sealed cookies earlier, and still open them. Rocket has the current one.
    pub previous_keys: Vec<KeyMaterial>,
}

/// The settings, with the work done that is the same for all requests.
pub(super) struct Cookies {
    pub(super) settings: CookieSettings,
    previous_keys: Vec<Key>,
}

/// The cookies of one visitor.
pub(super) struct Jar<'r> {
    cookies: &'r Cookies,
    jar: &'r CookieJar<'r>,
}

/// What was in a cookie.
pub(super) struct Opened {
    pub(super) value: String,
    /// Whether an earlier key sealed it, so that it should be sealed anew.
    pub(super) by_earlier_key: bool,
}

impl Cookies {
    pub(super) fn new(settings: CookieSettings) -> Self {
        let previous_keys = keys::of_cookies(&settings.previous_keys);
        Self { settings, previous_keys }
    }

    pub(super) fn of<'r>(&'r self, jar: &'r CookieJar<'_>) -> Jar<'r> {
        Jar { cookies: self, jar }
    }
}

impl Jar<'_> {
    /// The full name of one of our cookies.
    pub(super) fn name(&self, name: &str) -> String {
        let prefix = if self.cookies.settings.secure { "__Host-" } else { "" };
        format!("{prefix}portico_{name}")
    }

    /// The names that the browser sent with this beginning.
    pub(super) fn sent(&self, beginning: &str) -> Vec<String> {
        let beginning = self.name(beginning);
        let names = self.jar.iter().map(Cookie::name);
        names.filter(|name| name.starts_with(&beginning)).map(str::to_owned).collect()
    }

    /// What the browser sent under the full name; `None` for what no key of ours opens.
    pub(super) fn get(&self, name: &str) -> Option<Opened> {
        if let Some(cookie) = self.jar.get_private(name) {
            return Some(Opened { value: cookie.value().to_owned(), by_earlier_key: false });
        }
        let keys = &self.cookies.previous_keys;
        if keys.is_empty() {
            return None;
        }
        let sealed = self.jar.get(name)?;
        let sealed = cookie::Cookie::new(name.to_owned(), sealed.value().to_owned());
        let opened = keys.iter().find_map(|key| {
            let mut jar = cookie::CookieJar::new();
            jar.add_original(sealed.clone());
            jar.private(key).get(name)
        })?;
        Some(Opened { value: opened.value().to_owned(), by_earlier_key: true })
    }

    pub(super) fn add(&self, name: String, value: String, lasts: TimeDelta) {
        self.jar.add_private(self.cookie(name, value, lasts, SameSite::Lax));
    }

    /// For what has to come back with a form that the provider makes the browser post.
    pub(super) fn add_for_callback(&self, name: String, value: String, lasts: TimeDelta) {
        self.jar.add_private(self.cookie(name, value, lasts, self.same_site_of_callback()));
    }

    /// A removal needs the same attributes, or browsers refuse it for a name with `__Host-`.
    pub(super) fn remove(&self, name: String) {
        let gone =
            self.cookie(name, String::new(), TimeDelta::zero(), self.same_site_of_callback());
        self.jar.remove_private(gone);
    }

    /// `None` is for secure cookies only; without https the browser would drop it.
    fn same_site_of_callback(&self) -> SameSite {
        let CookieSettings { secure, form_post, .. } = self.cookies.settings;
        if secure && form_post { SameSite::None } else { SameSite::Lax }
    }

    /// Lax, not Strict: the callback comes from another site.
    fn cookie(
        &self,
        name: String,
        value: String,
        lasts: TimeDelta,
        same_site: SameSite,
    ) -> Cookie<'static> {
        Cookie::build((name, value))
            .path("/")
            .http_only(true)
            .same_site(same_site)
            .secure(self.cookies.settings.secure)
            .max_age(Duration::seconds(lasts.num_seconds()))
            // `Max-Age` says it; without this Rocket would add a week from now.
            .expires(None::<OffsetDateTime>)
            .build()
    }
}
