//! Sealed cookies: what all stores share about them.

use std::fmt::Write;

use chrono::TimeDelta;
use cookie::Key;
use percent_encoding::percent_decode_str;
use portico_domain::model::Lifetimes;
use rocket::{
    Request,
    http::{Cookie, CookieJar, SameSite},
    time::{Duration, OffsetDateTime},
};
use sha2::{Digest, Sha256};

use super::keys::KeyMaterial;

/// How a site's cookies are made.
#[derive(Clone, Debug)]
pub struct CookieSettings {
    /// The address that browsers see (`PUBLIC_URL`). Browsers send the cookies of a host to all its
    /// ports, so a hash of the address in their names tells the cookies of several sites apart.
    pub public_url: String,
    /// Whether browsers reach the site by https. The cookies are then `Secure`, and their names
    /// begin with `__Host-`, so that no other host of the domain can set them (RFC 6265bis,
    /// section 4.1.3.2).
    pub secure: bool,
    /// Whether the provider's response is a form that the browser posts
    /// (`response_mode=form_post`): the cookie of the attempt must then be sent with a request from
    /// another site.
    pub form_post: bool,
    /// How long sessions last.
    pub lifetimes: Lifetimes,
    /// The key that seals cookies: the one that Rocket has.
    pub key: KeyMaterial,
    /// Earlier keys, which still open cookies.
    pub previous_keys: Vec<KeyMaterial>,
}

/// The settings, with everything prepared that is the same for all requests.
pub(super) struct Cookies {
    pub(super) settings: CookieSettings,
    prefix: &'static str,
    suffix: String,
    /// The current key first.
    keys: Vec<Key>,
}

/// The sealed cookies of one visitor.
pub(super) struct Jar<'r> {
    cookies: &'r Cookies,
    jar: &'r CookieJar<'r>,
    /// Names and values of our own cookies, as the browser sent them.
    sent: Vec<(&'r str, &'r str)>,
}

/// The content of a cookie.
pub(super) struct Opened {
    pub(super) value: String,
    /// Whether an earlier key sealed it, so that it should be sealed again.
    pub(super) by_previous_key: bool,
}

impl Cookies {
    pub(super) fn new(settings: CookieSettings) -> Self {
        let keys = std::iter::once(&settings.key).chain(&settings.previous_keys);
        let keys = keys.map(KeyMaterial::cookie_key).collect();
        let mut suffix = String::from(".");
        for byte in &Sha256::digest(&settings.public_url)[..4] {
            // Writing to a string cannot fail.
            let _ = write!(suffix, "{byte:02x}");
        }
        let prefix = if settings.secure { "__Host-portico_" } else { "portico_" };
        Self { settings, prefix, suffix, keys }
    }

    pub(super) fn of<'r>(&'r self, request: &'r Request<'_>) -> Jar<'r> {
        // Rocket percent-decodes the names of cookies and trims Unicode space, so that another host
        // of the domain could send `%5F%5FHost-…` in our name. Names count byte by byte here, and
        // a name that is sent twice does not count at all.
        let pairs = request.headers().get("cookie").flat_map(|header| header.split(';'));
        let pairs = pairs.filter_map(|pair| pair.trim_matches([' ', '\t']).split_once('='));
        let ours: Vec<_> = pairs.filter(|(name, _)| self.is_ours(name)).collect();
        let is_unique =
            |name: &str| ours.iter().filter(|(other, _)| *other == name).nth(1).is_none();
        let sent = ours.iter().copied().filter(|(name, _)| is_unique(name)).collect();
        Jar { cookies: self, jar: request.cookies(), sent }
    }

    fn is_ours(&self, name: &str) -> bool {
        name.starts_with(self.prefix) && name.ends_with(&self.suffix)
    }

    /// The full name of one of our cookies.
    pub(super) fn name(&self, name: &str) -> String {
        format!("{}{name}{}", self.prefix, self.suffix)
    }
}

impl Jar<'_> {
    /// The full name of one of our cookies.
    pub(super) fn name(&self, name: &str) -> String {
        self.cookies.name(name)
    }

    /// Full names and sizes of the cookies that the browser sent whose names start so.
    pub(super) fn sent(&self, start: &str) -> Vec<(String, usize)> {
        let start = format!("{}{start}", self.cookies.prefix);
        let sent = self.sent.iter().filter(|(name, _)| name.starts_with(&start));
        sent.map(|(name, value)| ((*name).to_owned(), name.len() + value.len() + 3)).collect()
    }

    /// The content of the cookie with this full name. `None` where none was sent, or no key of
    /// ours opens it.
    pub(super) fn get(&self, name: &str) -> Option<Opened> {
        let (_, sealed) = self.sent.iter().find(|(other, _)| *other == name)?;
        let sealed = percent_decode_str(sealed).decode_utf8().ok()?;
        let mut jar = cookie::CookieJar::new();
        jar.add_original(cookie::Cookie::new(name.to_owned(), sealed.into_owned()));
        let mut keys = self.cookies.keys.iter().enumerate();
        keys.find_map(|(index, key)| {
            let value = jar.private(key).get(name)?.value().to_owned();
            Some(Opened { value, by_previous_key: index > 0 })
        })
    }

    /// Seals a cookie with Rocket's key. Lax, not Strict: the callback is a cross-site navigation.
    pub(super) fn add(&self, name: String, value: String, lifetime: TimeDelta) {
        self.jar.add_private(self.cookie(name, value, lifetime, SameSite::Lax));
    }

    /// Seals a cookie that must be sent with the form that the provider makes the browser post.
    pub(super) fn add_for_callback(&self, name: String, value: String, lifetime: TimeDelta) {
        self.jar.add_private(self.cookie(name, value, lifetime, self.callback_same_site()));
    }

    /// Removes the cookie with this full name, if the browser sent it or it was added in this request.
    pub(super) fn remove(&self, name: String) {
        let is_sent = self.sent.iter().any(|(other, _)| *other == name);
        let is_parsed = self.jar.get(&name).is_some();
        // Browsers remove a `__Host-` cookie only if the attributes are the same.
        let same_site = self.callback_same_site();
        let mut removal = self.cookie(name, String::new(), TimeDelta::zero(), same_site);
        if is_sent && !is_parsed {
            // Rocket skips cookies that are not valid UTF-8 and sends no removal for them.
            removal.make_removal();
            self.jar.add(removal);
        } else {
            self.jar.remove_private(removal);
        }
    }

    /// Browsers drop `None` without `Secure`.
    fn callback_same_site(&self) -> SameSite {
        let CookieSettings { secure, form_post, .. } = self.cookies.settings;
        if secure && form_post { SameSite::None } else { SameSite::Lax }
    }

    fn cookie(
        &self,
        name: String,
        value: String,
        lifetime: TimeDelta,
        same_site: SameSite,
    ) -> Cookie<'static> {
        Cookie::build((name, value))
            .path("/")
            .http_only(true)
            .same_site(same_site)
            .secure(self.cookies.settings.secure)
            .max_age(Duration::seconds(lifetime.num_seconds()))
            // `Max-Age` is enough; without this Rocket adds `Expires` a week from now.
            .expires(None::<OffsetDateTime>)
            .build()
    }
}
