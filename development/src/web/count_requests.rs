//! Counts requests.

use std::sync::Arc;

use rocket::fairing::{AdHoc, Fairing};

use crate::model::request_counts::RequestCounts;

/// Counts each request to an endpoint when it arrives, whatever the response.
pub(crate) fn count_requests(counts: &Arc<RequestCounts>) -> impl Fairing + use<> {
    let counts = Arc::clone(counts);
    AdHoc::on_request("request counts", move |request, _| {
        let endpoint = match request.uri().path().as_str() {
            "/.well-known/openid-configuration" => Some("discovery"),
            "/jwks" => Some("jwks"),
            "/authorize" => Some("authorize"),
            "/login" => Some("login"),
            "/signup" => Some("signup"),
            "/token" => Some("token"),
            "/userinfo" => Some("userinfo"),
            "/end-session" => Some("end-session"),
            path if path.starts_with("/api/messages/") => Some("messages"),
            _ => None,
        };
        if let Some(endpoint) = endpoint {
            counts.count(endpoint);
        }
        Box::pin(async {})
    })
}
