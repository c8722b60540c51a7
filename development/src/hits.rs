//! How often each endpoint was asked.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use rocket::fairing::{AdHoc, Fairing};

/// A counter per endpoint.
#[derive(Debug, Default)]
pub(super) struct Hits(Mutex<HashMap<&'static str, usize>>);

impl Hits {
    pub(super) fn count(&self, endpoint: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(endpoint).or_default() += 1;
    }

    pub(super) fn of(&self, endpoint: &str) -> usize {
        let hits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hits.get(endpoint).copied().unwrap_or_default()
    }

    /// Counts every request to a known path, whatever becomes of it.
    pub(super) fn fairing(hits: &Arc<Self>) -> impl Fairing {
        let hits = Arc::clone(hits);
        AdHoc::on_request("hits", move |request, _| {
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
                hits.count(endpoint);
            }
            Box::pin(async {})
        })
    }
}
