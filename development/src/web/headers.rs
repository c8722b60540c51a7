//! Response headers of both servers.

use rocket::{
    fairing::{AdHoc, Fairing},
    http::Header,
};

/// Sets headers against caching, sniffing and framing. `form_targets` lists the sources to which
/// pages may submit forms (Content-Security-Policy, `form-action`); empty if there are no forms.
pub(crate) fn headers(form_targets: String) -> impl Fairing {
    let form_action = if form_targets.is_empty() { "'none'".into() } else { form_targets };
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action {form_action}; \
         base-uri 'none'; frame-ancestors 'none'"
    );
    AdHoc::on_response("headers", move |_, response| {
        for (name, value) in [
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            // Not `no-referrer`: browsers then send `Origin: null` with our own forms.
            ("Referrer-Policy", "same-origin"),
        ] {
            response.set_header(Header::new(name, value));
        }
        response.set_header(Header::new("Content-Security-Policy", policy.clone()));
        Box::pin(async {})
    })
}
