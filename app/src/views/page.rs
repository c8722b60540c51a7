use rocket::{
    Request,
    http::{Header, Status},
    response::{self, Responder, Response},
};
use rocket_dyn_templates::{Template, context};
use serde::Serialize;

use crate::{assets::Assets, guards::Visitor, ports::About, theme::Theme};

/// Larger than any page: Rocket's default of 4,096 bytes would cost two writes for most of them.
const CHUNK: usize = 64 * 1024;

/// What one template shows.
pub trait View: Serialize {
    /// The template's name, without extensions.
    const TEMPLATE: &'static str;
    /// The tab that is marked as current.
    const TAB: Option<Tab> = None;
}

/// The tabs of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tab {
    /// `/profile`
    Profile,
    /// `/public`
    Public,
    /// `/protected`
    Protected,
    /// `/admin`
    Admin,
}

/// A view in the site's layout. The layout shows who is signed in by what the guards of the
/// request found out.
#[derive(Debug)]
pub struct Page<V> {
    status: Status,
    tab: Option<Tab>,
    /// Whether to show the layout without a session although a guard found one: it has ended since.
    logged_out: bool,
    view: V,
}

impl<V: View> Page<V> {
    /// A page with status 200.
    pub fn new(view: V) -> Self {
        Self { status: Status::Ok, tab: V::TAB, logged_out: false, view }
    }

    /// The same page with another status.
    #[must_use]
    pub fn with_status(self, status: Status) -> Self {
        Self { status, ..self }
    }

    /// The same page, shown as logged out or not.
    pub(super) fn logged_out(self, logged_out: bool) -> Self {
        Self { logged_out, ..self }
    }

    /// The same page under another tab.
    #[must_use]
    pub fn under(self, tab: Tab) -> Self {
        Self { tab: Some(tab), ..self }
    }
}

impl<'r, V: View> Responder<'r, 'static> for Page<V> {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let state = request.rocket();
        let (Some(about), Some(assets)) = (state.state::<About>(), state.state::<Assets>()) else {
            return Err(Status::InternalServerError);
        };
        let session = Visitor::known_to(request).session;
        let shown = session.filter(|_| !self.logged_out);
        let layout = context! {
            tab: self.tab,
            theme: Theme::of(request.cookies()),
            signed_in: shown.is_some(),
            name: shown.map(|session| session.identity.display_name()),
            development: about.development,
            css: assets.css(),
            js: assets.js(),
            icon: assets.icon(),
        };
        let page = Template::render(V::TEMPLATE, context! { layout, page: self.view });
        Response::build_from(page.respond_to(request)?)
            .status(self.status)
            .max_chunk_size(CHUNK)
            // Pages of a user are not cached, so that Back after log-out does not show them.
            .header(Header::new(
                "Cache-Control",
                if session.is_some() { "no-store" } else { "no-cache, private" },
            ))
            .header(Header::new("Vary", "Cookie, Accept, Sec-Fetch-Mode"))
            .ok()
    }
}

/// `303 See Other`: the browser goes there with GET, whatever it came with (RFC 9110, section
/// 15.4.4).
#[derive(Debug)]
pub struct SeeOther(pub String);

impl<'r> Responder<'r, 'static> for SeeOther {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        Response::build()
            .status(Status::SeeOther)
            .header(Header::new("Location", self.0))
            .header(Header::new("Cache-Control", "no-store"))
            .ok()
    }
}

/// 200 without content, for HEAD where GET changes something.
#[derive(Clone, Copy, Debug)]
pub struct NoBody;

impl<'r> Responder<'r, 'static> for NoBody {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        Response::build().header(Header::new("Cache-Control", "no-store")).ok()
    }
}
