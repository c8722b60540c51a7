//! The light or dark theme: that of the visitor's system, unless the visitor chose one.

use portico_domain::model::NextPage;
use rocket::{
    FromForm, FromFormField, Request, Route, State,
    form::Form,
    http::{Cookie, CookieJar, SameSite},
    post,
    request::{FromRequest, Outcome},
    routes,
    time::Duration,
};
use serde::Serialize;
use url::Url;

use super::SeeOther;
use crate::{About, sign_in::guards::SameOrigin};

/// Not secret, and the script writes it as well.
const COOKIE: &str = "portico_theme";

/// The theme that the visitor chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// Dark text on a light background.
    Light,
    /// Light text on a dark background.
    Dark,
}

impl Theme {
    /// The choice in the request's cookie; `None` where the system decides.
    #[must_use]
    pub fn of(cookies: &CookieJar<'_>) -> Option<Self> {
        match cookies.get(COOKIE)?.value() {
            "light" => Some(Self::Light),
            "dark" => Some(Self::Dark),
            _ => None,
        }
    }
}

/// The route of the switch, to be mounted at `/`.
#[must_use]
pub fn routes() -> Vec<Route> {
    routes![choose]
}

#[derive(FromForm)]
struct Choice {
    theme: ThemeChoice,
}

#[derive(FromFormField)]
enum ThemeChoice {
    Auto,
    Light,
    Dark,
}

/// Stores the choice for a year and goes back to the page with the switch.
#[post("/theme", data = "<choice>")]
fn choose(
    _own: SameOrigin,
    choice: Form<Choice>,
    back: Back,
    cookies: &CookieJar<'_>,
    about: &State<About>,
) -> SeeOther {
    let cookie = |value| {
        Cookie::build((COOKIE, value)).path("/").same_site(SameSite::Lax).secure(about.https)
    };
    match choice.theme {
        ThemeChoice::Auto => cookies.remove(cookie("")),
        ThemeChoice::Light => cookies.add(cookie("light").max_age(Duration::days(365))),
        ThemeChoice::Dark => cookies.add(cookie("dark").max_age(Duration::days(365))),
    }
    SeeOther::to(back.0)
}

/// The page of this site that sent the form; the home page without a `Referer`.
struct Back(String);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Back {
    type Error = std::convert::Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Self::Error> {
        // Only path and query are used, so that the redirect stays on this site.
        let page = request.headers().get_one("Referer").and_then(|referrer| {
            let url = Url::parse(referrer).ok()?;
            let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
            NextPage::parse(&format!("{}{query}", url.path()))
        });
        Outcome::Success(Self(page.map_or_else(|| "/".into(), |page| page.to_string())))
    }
}
