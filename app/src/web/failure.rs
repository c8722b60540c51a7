use std::{borrow::Cow, fmt::Display, time::Duration};

use rocket::{
    Request,
    http::{Header, Status},
    response::{self, Responder, Response},
    serde::json::Json,
};
use serde::Serialize;
use serde_json::json;

use super::{Page, Reference, View, is_page_navigation};
use crate::sign_in::guards::Visitor;

/// An error: what the page shows, and what the log contains under the same reference.
#[derive(Debug)]
pub struct Failure {
    status: Status,
    title: &'static str,
    what: Cow<'static, str>,
    todo: &'static str,
    detail: Option<String>,
    action: Option<Action>,
    cause: Option<String>,
    retry_after: Option<Duration>,
    visitor: Shown,
}

/// As whom the page shows the visitor.
#[derive(Clone, Copy, Debug)]
enum Shown {
    AsLoaded,
    LoggedOut,
    Unknown,
}

#[derive(Clone, Debug, Serialize)]
struct Action {
    label: &'static str,
    href: String,
}

#[derive(Serialize)]
struct ErrorView {
    status: u16,
    title: &'static str,
    what: Cow<'static, str>,
    todo: &'static str,
    detail: Option<String>,
    reference: Option<String>,
    action: Option<Action>,
}

impl View for ErrorView {
    const TEMPLATE: &'static str = "error";
}

impl Failure {
    /// A page with this status and title: `what` happened and what the visitor can do (`todo`).
    pub fn new(
        status: Status,
        title: &'static str,
        what: impl Into<Cow<'static, str>>,
        todo: &'static str,
    ) -> Self {
        Self {
            status,
            title,
            what: what.into(),
            todo,
            detail: None,
            action: None,
            cause: None,
            retry_after: None,
            visitor: Shown::AsLoaded,
        }
    }

    /// Adds the text of the provider or the API, shown as a quotation.
    #[must_use]
    pub fn with_detail(self, detail: Option<String>) -> Self {
        Self { detail, ..self }
    }

    /// Adds a link that helps.
    #[must_use]
    pub fn with_action(self, label: &'static str, href: impl Display) -> Self {
        Self { action: Some(Action { label, href: href.to_string() }), ..self }
    }

    /// Shows the visitor as signed out, where a guard still found a session.
    #[must_use]
    pub fn logged_out(self) -> Self {
        Self { visitor: Shown::LoggedOut, ..self }
    }

    /// Shows neither that the visitor is logged in nor that not: the session store is out of reach.
    #[must_use]
    pub fn session_unknown(self) -> Self {
        Self { visitor: Shown::Unknown, ..self }
    }

    /// Adds `Retry-After`, in whole seconds, rounded up (RFC 9110, section 10.2.3).
    #[must_use]
    pub fn with_retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// Adds the cause, for the log only. The page shows the reference of the log entry.
    #[must_use]
    pub fn caused_by(self, cause: impl Display) -> Self {
        Self { cause: Some(cause.to_string()), ..self }
    }
}

impl<'r> Responder<'r, 'static> for Failure {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let reference = Reference::of(request);
        let status = self.status;
        if let Some(cause) = &self.cause {
            let level = if status.code >= 500 { log::Level::Error } else { log::Level::Warn };
            log::log!(
                level,
                "{reference}: {} answered {}: {cause}",
                request.uri().path(),
                status.code
            );
        }
        let reference = (status.code >= 500 || self.cause.is_some()).then(|| reference.to_string());
        let response = if is_page_navigation(request) {
            let view = ErrorView {
                status: status.code,
                title: self.title,
                what: self.what,
                todo: self.todo,
                detail: self.detail,
                reference,
                action: self.action,
            };
            let visitor = match self.visitor {
                Shown::AsLoaded => Visitor::known_to(request),
                Shown::LoggedOut => Visitor::default(),
                Shown::Unknown => Visitor::unknown(),
            };
            Page::new(visitor, view).with_status(status).respond_to(request)?
        } else {
            let body =
                json!({ "message": self.title, "detail": self.what, "reference": reference });
            let json = Json(body).respond_to(request)?;
            Response::build_from(json)
                .status(status)
                .header(Header::new("Cache-Control", "no-store"))
                .finalize()
        };
        let mut response = Response::build_from(response);
        let retry_after = match self.retry_after {
            None if status == Status::ServiceUnavailable => Some(Duration::from_secs(5)),
            wait => wait,
        };
        if let Some(wait) = retry_after {
            let seconds = wait.as_millis().div_ceil(1_000).max(1);
            response.header(Header::new("Retry-After", seconds.to_string()));
        }
        response.ok()
    }
}
