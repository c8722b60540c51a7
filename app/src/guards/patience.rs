use std::convert::Infallible;

use chrono::{DateTime, TimeDelta, Utc};
use rocket::{
    Request,
    http::{Cookie, CookieJar, SameSite},
    request::{FromRequest, Outcome},
    time::Duration,
};

use crate::ports::About;

/// Sealed, so that nobody but this site says how often it was tried.
const COOKIE: &str = "portico_logins";
/// Over https no other host of the domain can set it (RFC 6265bis, section 4.1.3.2).
const SECURE_COOKIE: &str = "__Host-portico_logins";
/// So many logins may be begun within [`WHILE`] without one that is finished.
const LOGINS: usize = 5;
const WHILE: TimeDelta = TimeDelta::minutes(1);

/// Remembers the logins that this browser began lately and did not finish: where something sends
/// people round in circles, the site stops and says so.
pub(crate) struct Patience<'r> {
    jar: &'r CookieJar<'r>,
    https: bool,
}

impl Patience<'_> {
    /// Whether one more login may begin; if so, it has.
    pub(crate) fn allows(&self, now: DateTime<Utc>) -> bool {
        let begun = self.jar.get_private(self.name());
        let begun = begun.as_ref().map_or("", Cookie::value).split(',');
        let recent = |then: &i64| {
            let age = now.timestamp().checked_sub(*then);
            age.is_some_and(|age| (0..WHILE.num_seconds()).contains(&age))
        };
        let mut begun: Vec<i64> =
            begun.filter_map(|then| then.parse().ok()).filter(recent).collect();
        if begun.len() >= LOGINS {
            return false;
        }
        begun.push(now.timestamp());
        let begun: Vec<_> = begun.iter().map(i64::to_string).collect();
        self.jar.add_private(self.cookie(begun.join(",")));
        true
    }

    /// A login was finished: whatever was begun before does not count.
    pub(crate) fn regain(&self) {
        self.jar.remove_private(self.cookie(String::new()));
    }

    fn name(&self) -> &'static str {
        if self.https { SECURE_COOKIE } else { COOKIE }
    }

    fn cookie(&self, value: String) -> Cookie<'static> {
        Cookie::build((self.name(), value))
            .path("/")
            .http_only(true)
            .secure(self.https)
            .same_site(SameSite::Lax)
            .max_age(Duration::seconds(WHILE.num_seconds()))
            .build()
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Patience<'r> {
    type Error = Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Infallible> {
        let https = request.rocket().state::<About>().is_some_and(|about| about.https);
        Outcome::Success(Self { jar: request.cookies(), https })
    }
}
