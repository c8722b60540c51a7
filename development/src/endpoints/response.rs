//! What the endpoints that browsers visit respond with.

use rocket::{Responder, response::Redirect};
use rocket_dyn_templates::{Template, context};

/// A redirect or a page.
#[derive(Responder)]
pub(crate) enum BrowserResponse {
    Redirect(Redirect),
    Page(Template),
    #[response(status = 400)]
    BadRequest(Template),
}

/// The page that describes an error.
pub(crate) fn error_page(status: u16, message: &str) -> Template {
    Template::render("development/error", context! { status, message })
}
