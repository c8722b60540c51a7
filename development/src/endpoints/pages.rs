//! Home page, style sheet, account pictures and error pages.

use std::sync::Arc;

use rocket::{
    Catcher, Request, Route, State, catch, catchers, get,
    http::{ContentType, Header, Status},
    routes,
};
use rocket_dyn_templates::{Template, context};

use super::response::error_page;
use crate::model::{accounts::PASSWORD, provider::Provider};

pub(crate) fn routes() -> Vec<Route> {
    routes![home, style, picture]
}

pub(crate) fn catchers() -> Vec<Catcher> {
    catchers![failed]
}

#[get("/")]
fn home(provider: &State<Arc<Provider>>) -> Template {
    let accounts = provider.accounts.all().into_iter().map(|account| {
        let permissions = account.permissions.join(", ");
        context! { email: account.email.clone(), permissions }
    });
    Template::render(
        "development/home",
        context! {
            site: provider.site(),
            password: PASSWORD,
            issuer: provider.issuer(),
            accounts: accounts.collect::<Vec<_>>(),
        },
    )
}

#[get("/development.css")]
fn style() -> (ContentType, &'static str) {
    (ContentType::CSS, include_str!("../../../templates/development/development.css"))
}

/// A picture with the account's initials.
#[get("/picture/<file>")]
fn picture(file: &str) -> Option<AccountPicture> {
    let initials = file.strip_suffix(".svg")?;
    // Anything but initials could inject markup into the SVG.
    if !(1..=2).contains(&initials.len()) || !initials.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let hue = initials.bytes().fold(0_u32, |sum, byte| sum * 31 + u32::from(byte)) % 360;
    Some(AccountPicture {
        svg: format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="96" height="96" viewBox="0 0 96 96"><rect width="96" height="96" fill="hsl({hue} 45% 40%)"/><text x="48" y="48" dy=".35em" text-anchor="middle" font-family="sans-serif" font-size="40" fill="#fff">{initials}</text></svg>"##
        ),
        kind: ContentType::SVG,
        policy: Header::new("Cross-Origin-Resource-Policy", "cross-origin"),
    })
}

#[derive(rocket::Responder)]
struct AccountPicture {
    svg: String,
    kind: ContentType,
    /// Pages of the client embed the picture.
    policy: Header<'static>,
}

#[catch(default)]
fn failed(status: Status, _: &Request<'_>) -> Template {
    let message = match status.code {
        403 => "This form was submitted from another site.",
        404 => "There is no such page.",
        _ => status.reason_lossy(),
    };
    error_page(status.code, message)
}
