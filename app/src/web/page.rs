use rocket::{
    Request,
    http::{Header, Status},
    response::{self, Responder, Response, content::RawHtml},
};
use serde::Serialize;

use super::{
    Notice,
    assets::Assets,
    tabs::{TabView, Tabs},
    templates::Templates,
    theme::Theme,
};
use crate::{About, Ports, sign_in::guards::Visitor};

/// Larger than any page: Rocket's default of 4,096 bytes would cost two writes for most of them.
const CHUNK: usize = 64 * 1024;

/// What one template shows.
pub trait View: Serialize {
    /// The template's name, without extensions.
    const TEMPLATE: &'static str;
}

/// A view in the site's layout. The layout shows who is logged in, and marks the tab whose address
/// the request has.
#[derive(Debug)]
pub struct Page<'r, V> {
    status: Status,
    visitor: Visitor<'r>,
    view: V,
}

impl<'r, V: View> Page<'r, V> {
    /// A page with status 200 for the visitor of the request.
    pub fn new(visitor: impl Into<Visitor<'r>>, view: V) -> Self {
        Self { status: Status::Ok, visitor: visitor.into(), view }
    }

    /// The same page with another status.
    #[must_use]
    pub fn with_status(self, status: Status) -> Self {
        Self { status, ..self }
    }
}

/// What the layout shows, on each page.
#[derive(Serialize)]
struct Layout<'a> {
    path: &'a str,
    tabs: Vec<TabView>,
    theme: Option<Theme>,
    signed_in: bool,
    /// Whether it is not known who the visitor is.
    unknown: bool,
    /// Whether to offer visitors without a session to sign up.
    sign_up: bool,
    name: Option<&'a str>,
    notice: Option<&'static str>,
    development: bool,
    css: &'a str,
    js: &'a str,
    icon: &'a str,
}

#[derive(Serialize)]
struct Context<'a, V> {
    layout: Layout<'a>,
    page: V,
}

impl<'r, V: View> Responder<'r, 'static> for Page<'r, V> {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let state = request.rocket();
        let (Some(about), Some(assets), Some(ports)) =
            (state.state::<About>(), state.state::<Assets>(), Ports::of(request))
        else {
            return Err(Status::InternalServerError);
        };
        let session = self.visitor.session;
        let unknown = self.visitor.is_unknown;
        let name = session.map(|session| session.identity.display_name());
        let notice = Notice::of(request);
        let path = request.uri().path().as_str();
        let tabs = state.state::<Tabs>();
        let layout = Layout {
            path,
            tabs: tabs.map(|tabs| tabs.on(path, session)).unwrap_or_default(),
            theme: Theme::of(request.cookies()),
            signed_in: session.is_some(),
            unknown,
            sign_up: session.is_none() && !unknown && about.shows_sign_up(ports),
            name: name.as_deref(),
            notice: notice.and_then(|notice| notice.text(session.is_some() || unknown)),
            development: about.development,
            css: assets.css(),
            js: assets.js(),
            icon: assets.icon(),
        };
        let context = Context { layout, page: self.view };
        let page = Templates::render(request, V::TEMPLATE, context)?;
        let mut response = Response::build_from(RawHtml(page).respond_to(request)?);
        if notice.is_some() {
            response.header_adjoin(Notice::removal(request));
        }
        response
            .status(self.status)
            .max_chunk_size(CHUNK)
            // Pages of a user are not cached, so that Back after log-out does not show them.
            .header(Header::new(
                "Cache-Control",
                if notice.is_some() || Visitor::known_to(request).session.is_some() {
                    "no-store"
                } else {
                    "no-cache, private"
                },
            ))
            .header(Header::new("Vary", "Cookie, Accept, Sec-Fetch-Mode"))
            .ok()
    }
}
