//! The provider's endpoints and pages: authorization code flow with PKCE for one client.

mod authorization_request;
mod authorize;
mod client_authentication;
mod discovery;
mod end_session;
mod faults;
mod forms;
mod login;
mod pages;
mod response;
mod revocation;
mod token;
mod userinfo;

use std::sync::Arc;

use rocket::{Build, Rocket, figment::Figment};
use rocket_dyn_templates::Template;
use url::Url;

use crate::{model::provider::Provider, web::headers::headers};

/// The provider, ready to launch.
pub(crate) fn rocket(config: Figment, provider: Arc<Provider>) -> Rocket<Build> {
    let origin = |address: &str| Url::parse(address).ok().map(|url| url.origin());
    // Chromium applies `form-action` to the redirect that answers a form as well.
    let mut targets = "'self'".to_owned();
    for address in [&provider.client.redirect_uri, &provider.client.post_logout_redirect_uri] {
        if let Some(origin) = origin(address).map(|origin| origin.ascii_serialization())
            && !targets.contains(&origin)
        {
            targets = format!("{targets} {origin}");
        }
    }
    rocket::custom(config)
        .manage(provider)
        .attach(Template::fairing())
        .attach(headers(targets))
        .mount("/", discovery::routes())
        .mount("/", authorize::routes())
        .mount("/", login::routes())
        .mount("/", token::routes())
        .mount("/", revocation::routes())
        .mount("/", userinfo::routes())
        .mount("/", end_session::routes())
        .mount("/", faults::routes())
        .mount("/", pages::routes())
        .register("/", pages::catchers())
}
