//! A site over ports in memory, for the tests of pages. Needs the feature `testing`.
//!
//! ```
//! use portico::testing::MockSite;
//!
//! # rocket::async_main(async {
//! let site = MockSite::signed_in_as("ada@example.com").with_permission("read:reports");
//! let page = site.get("/profile").await;
//! assert_eq!(page.status, 200);
//! assert!(page.body.contains("ada@example.com"));
//! # });
//! ```
//!
//! Each port has a default: the clock stays at the start of the session, users and sessions are in
//! memory, the provider knows no log-in, the messages are those of the guide. To test an outage,
//! replace a port:
//!
//! ```
//! use std::sync::Arc;
//!
//! use portico::testing::MockSite;
//! use portico_domain::ports::{MessageError, MockMessageApi};
//!
//! # rocket::async_main(async {
//! let mut messages = MockMessageApi::new();
//! messages.expect_read().returning(|_, _| Err(MessageError::Timeout));
//! let mut site = MockSite::signed_out();
//! site.ports.messages = Arc::new(messages);
//! assert_eq!(site.get("/public").await.status, 504);
//! # });
//! ```
#![allow(clippy::panic, reason = "a failure here fails the test that called it, with a message")]

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::TimeDelta;
use portico_adapters::{
    messages::LocalMessages,
    sessions::{LoginAttemptStores, SessionStores},
};
use portico_contracts::{
    fakes::{CountingRandomness, InMemoryProvider, InMemorySite, InMemoryUsers, ManualClock},
    fixtures,
};
use portico_domain::{
    model::{
        ClaimSource, Claims, Grant, Identity, Lifetimes, LoginLoopGuard, Permission, Permissions,
        Session, SessionChange, Subject,
    },
    ports::{
        LoginAttempts, MockLoginAttempts, SaveSessionError, SessionStore, SessionsUnavailable,
        TokenRenewal,
    },
};
use rocket::{
    Request, Route,
    http::{ContentType, Header},
    local::asynchronous::{Client, LocalRequest},
};
use serde_json::{Map, Value};

use crate::{
    About, Ports,
    metrics::Metrics,
    router, site,
    web::{Tab, Tabs, Templates, embedded_templates},
};

/// The address of the site.
const ORIGIN: &str = "http://127.0.0.1:4040";

/// A site with one visitor. Routes, templates and tabs are those of the application.
pub struct MockSite {
    /// The ports. The session of the visitor is in `sessions`.
    pub ports: Ports,
    session: Option<Session>,
    permissions: Vec<Permission>,
    routes: Vec<Route>,
    tabs: Vec<Tab>,
    templates: Vec<(&'static str, &'static str)>,
}

/// An answer of the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MockPage {
    /// The HTTP status.
    pub status: u16,
    /// The body as text; empty where it is none.
    pub body: String,
    /// Where the answer redirects to; `None` where it does not.
    pub location: Option<String>,
}

impl MockSite {
    /// A visitor without a session.
    #[must_use]
    pub fn signed_out() -> Self {
        Self::new(None)
    }

    /// A user with this email address, which is also the user's name and subject, and without
    /// permissions.
    #[must_use]
    pub fn signed_in_as(email: &str) -> Self {
        let claims: Map<String, Value> = [
            ("iss", Value::from(fixtures::ISSUER)),
            ("sub", email.into()),
            ("name", email.into()),
            ("email", email.into()),
            ("email_verified", true.into()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        let session = fixtures::session();
        let identity = Identity {
            subject: Subject::new(fixtures::ISSUER, email),
            claims: Claims::new(&claims),
            permissions: Permissions::default(),
            ..session.identity
        };
        Self::new(Some(Session { identity, ..session }))
    }

    fn new(session: Option<Session>) -> Self {
        let registry = Arc::new(InMemorySite::default());
        let ports = Ports {
            identity: Arc::new(InMemoryProvider::default()),
            users: Arc::new(InMemoryUsers::default()),
            sessions: Arc::new(OneSession::default()),
            attempts: Arc::new(NoAttempts),
            registry: registry.clone(),
            replay_guard: registry,
            messages: Arc::new(LocalMessages),
            clock: Arc::new(ManualClock::default()),
            randomness: Arc::new(CountingRandomness::default()),
            lifetimes: Lifetimes { rolling: TimeDelta::days(1), absolute: TimeDelta::days(7) },
            entry_rules: Arc::default(),
        };
        let site = Self {
            ports,
            session,
            permissions: Vec::new(),
            routes: Vec::new(),
            tabs: site::TABS.to_vec(),
            templates: Vec::new(),
        };
        site.with_session()
    }

    /// Puts a session store with the session into the ports.
    fn with_session(mut self) -> Self {
        self.ports.sessions = Arc::new(OneSession(Arc::new(Mutex::new(self.session.clone()))));
        self
    }

    /// Gives the user a permission. Without an effect on a visitor without a session.
    #[must_use]
    pub fn with_permission(mut self, permission: &str) -> Self {
        self.permissions.push(Permission::new(permission));
        if let Some(session) = &mut self.session {
            let grant = Grant {
                source: ClaimSource::IdToken,
                claim: "permissions".into(),
                permissions: self.permissions.clone(),
            };
            session.identity.permissions = Permissions::new(vec![grant], Vec::new());
        }
        self.with_session()
    }

    /// Adds routes, mounted at `/`.
    #[must_use]
    pub fn with_routes(mut self, routes: Vec<Route>) -> Self {
        self.routes.extend(routes);
        self
    }

    /// Adds a tab behind the others.
    #[must_use]
    pub fn with_tab(mut self, tab: Tab) -> Self {
        self.tabs.push(tab);
        self
    }

    /// Adds a template that is not in the program.
    #[must_use]
    pub fn with_template(mut self, name: &'static str, source: &'static str) -> Self {
        self.templates.push((name, source));
        self
    }

    /// The answer to a GET, as a browser sends it.
    ///
    /// # Panics
    /// As the test that calls it, where a template is malformed or two routes collide.
    pub async fn get(&self, path: &str) -> MockPage {
        answer(self.client().await.get(path)).await
    }

    /// The answer to a form of the site, with these fields, URL-encoded (`name=value&…`).
    ///
    /// # Panics
    /// As [`MockSite::get`].
    pub async fn post(&self, path: &str, form: &str) -> MockPage {
        let client = self.client().await;
        let request = client.post(path).header(ContentType::Form).body(form);
        answer(request.header(Header::new("Sec-Fetch-Site", "same-origin"))).await
    }

    async fn client(&self) -> Client {
        let about = About {
            development: false,
            https: false,
            provider_origin: fixtures::ISSUER.trim_end_matches('/').into(),
            trusted_proxies: Default::default(),
            origin: ORIGIN.into(),
            link_parameters: Default::default(),
            sign_up_parameters: Default::default(),
        };
        let mut templates = embedded_templates().unwrap_or_else(|error| panic!("{error:#}"));
        for (name, source) in &self.templates {
            templates.add_template(name, source).unwrap_or_else(|error| panic!("{error:#}"));
        }
        let figment = rocket::figment::Figment::from(rocket::Config::debug_default());
        let rocket = router::build(
            figment,
            Templates::Embedded(Box::new(templates)),
            self.ports.clone(),
            Metrics::default(),
            about,
            Tabs(self.tabs.clone()),
        );
        let rocket = rocket.mount("/", self.routes.clone());
        Client::untracked(rocket).await.unwrap_or_else(|error| panic!("no site: {error}"))
    }
}

async fn answer(request: LocalRequest<'_>) -> MockPage {
    let response = request.dispatch().await;
    MockPage {
        status: response.status().code,
        location: response.headers().get_one("Location").map(str::to_owned),
        body: response.into_string().await.unwrap_or_default(),
    }
}

/// The session of the only visitor.
#[derive(Clone, Debug, Default)]
struct OneSession(Arc<Mutex<Option<Session>>>);

impl OneSession {
    fn with<T>(&self, change: impl FnOnce(&mut Option<Session>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SessionStores for OneSession {
    fn of<'r>(&'r self, _: &'r Request<'_>) -> Box<dyn SessionStore + 'r> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl SessionStore for OneSession {
    async fn current(&self) -> Result<Option<Session>, SessionsUnavailable> {
        Ok(self.with(|session| session.clone()))
    }

    async fn start(&self, session: &Session) -> Result<(), SaveSessionError> {
        self.with(|current| *current = Some(session.clone()));
        Ok(())
    }

    async fn update(&self, change: &SessionChange) -> Result<Option<Session>, SaveSessionError> {
        Ok(self.with(|current| {
            *current = current.take().map(|session| session.with(change.clone()));
            current.clone()
        }))
    }

    /// The tokens of a test do not expire.
    async fn refresh<'a>(
        &self,
        _: &Session,
        _: &'a (dyn TokenRenewal + 'a),
    ) -> Result<Option<Session>, SaveSessionError> {
        Ok(self.current().await?)
    }

    async fn end(&self) -> Result<(), SessionsUnavailable> {
        self.with(|current| *current = None);
        Ok(())
    }
}

/// Remembers no log-in attempt, so that no log-in can be completed.
struct NoAttempts;

impl LoginAttemptStores for NoAttempts {
    fn of<'r>(&'r self, _: &'r Request<'_>) -> Box<dyn LoginAttempts + 'r> {
        let mut attempts = MockLoginAttempts::new();
        attempts.expect_remember().returning(|_| Ok(()));
        attempts.expect_take().returning(|_| Ok(None));
        attempts.expect_loop_guard().returning(LoginLoopGuard::default);
        attempts.expect_set_loop_guard().return_const(());
        Box::new(attempts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rocket::async_test]
    async fn each_page_of_a_user_is_shown() {
        let site = MockSite::signed_in_as("ada@example.com");
        for path in ["/", "/profile", "/public", "/protected", "/sessions", "/docs"] {
            let page = site.get(path).await;
            assert_eq!(page.status, 200, "{path}: {}", page.body);
            assert!(page.body.contains("ada@example.com"), "{path}: {}", page.body);
        }
    }

    #[rocket::async_test]
    async fn permission_decides_about_admin_message() {
        let site = MockSite::signed_in_as("ada@example.com");
        assert_eq!(site.get("/admin").await.status, 403);
        let site = site.with_permission("read:admin-messages");
        assert!(site.get("/admin").await.body.contains("This is an admin message."));
    }

    #[rocket::async_test]
    async fn visitor_without_session_logs_in_first() {
        let page = MockSite::signed_out().get("/profile").await;
        assert_eq!((page.status, page.location.as_deref()), (303, Some("/login?next=%2Fprofile")));
        let page = MockSite::signed_out().get("/login").await;
        assert_eq!(page.status, 303);
    }

    #[rocket::async_test]
    async fn log_out_ends_the_session() {
        let site = MockSite::signed_in_as("ada@example.com");
        assert!((200..400).contains(&site.post("/logout", "").await.status));
        assert_eq!(site.get("/profile").await.status, 303);
    }
}
