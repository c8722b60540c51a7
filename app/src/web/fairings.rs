//! What every response gets: headers that keep a browser safe, and a line in the log.

use rocket::{
    Request, Response,
    fairing::{Fairing, Info, Kind},
    http::Header,
    shield::{Frame, NoSniff, Permission, Prefetch, Referrer, Shield},
    time::Duration,
};

use super::client_address::ClientAddress;
use crate::{About, sign_in::FRONT_CHANNEL};

/// The usual headers, by Rocket's own fairing.
pub(crate) fn shield(https: bool) -> Shield {
    let shield = Shield::new()
        .enable(NoSniff::Enable)
        .enable(Frame::Deny)
        .enable(Prefetch::Off)
        .enable(Referrer::SameOrigin)
        .enable(
            Permission::blocked(rocket::shield::Feature::Camera)
                .block(rocket::shield::Feature::Microphone)
                .block(rocket::shield::Feature::Geolocation)
                .block(rocket::shield::Feature::Payment),
        );
    if https { shield.enable(rocket::shield::Hsts::Enable(Duration::days(365))) } else { shield }
}

/// The Content-Security-Policy of every response.
pub(crate) struct ContentSecurityPolicy {
    pages: String,
    framed: String,
}

impl ContentSecurityPolicy {
    /// The policies of the site.
    pub(crate) fn new(about: &About) -> Self {
        // Chromium applies `form-action` to every redirect that follows a form, and the log-out
        // form leads to the provider, which may pass the log-out on to providers behind it.
        let forms = if about.https { "https:" } else { "https: http:" };
        let provider = &about.provider_origin;
        let policy = |frames: &str| {
            format!(
                "default-src 'none'; script-src 'self'; style-src 'self'; \
                 img-src 'self' https: {provider}; form-action 'self' {forms}; base-uri 'none'; \
                 frame-ancestors {frames}"
            )
        };
        Self { pages: policy("'none'"), framed: policy(provider) }
    }
}

#[rocket::async_trait]
impl Fairing for ContentSecurityPolicy {
    fn info(&self) -> Info {
        Info { name: "Content-Security-Policy", kind: Kind::Response }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        // Only the address for front-channel log-out may be framed, by the provider's log-out page.
        let is_framed = request.uri().path() == FRONT_CHANNEL;
        if is_framed {
            // It cannot allow a single other origin (RFC 7034, section 2.1).
            response.remove_header("X-Frame-Options");
        }
        let policy = if is_framed { &self.framed } else { &self.pages };
        response.set_header(Header::new("Content-Security-Policy", policy.clone()));
        response.set_header(Header::new("Cross-Origin-Opener-Policy", "same-origin"));
    }
}

/// One line a request: who, what, how it ended. Never a query: it may hold a code.
pub(crate) struct AccessLog;

#[rocket::async_trait]
impl Fairing for AccessLog {
    fn info(&self) -> Info {
        Info { name: "access log", kind: Kind::Response }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        let client = ClientAddress::of(request).map(|address| address.to_string());
        log::info!(
            "{} {} {} {}",
            client.as_deref().unwrap_or("-"),
            request.method(),
            request.uri().path(),
            response.status().code,
        );
    }
}
