use portico_domain::{
    model::{NextPage, Topic},
    ports::{MessageError, RefreshError, RefusalReason, SaveSessionError, UsersUnavailable},
    use_cases::ReadMessageError,
};
use rocket::{Route, State, get, http::Status, routes, uri};
use serde::Serialize;

use crate::{
    Ports,
    sign_in::{
        self,
        guards::{LoginRequired, Stores, Visitor},
    },
    web::{Failure, Page, Reference, View},
};

pub(super) fn routes() -> Vec<Route> {
    routes![public, protected, admin]
}

/// A message of the API, or its refusal.
#[derive(Debug, Serialize)]
struct MessageView {
    /// The page's heading.
    heading: &'static str,
    /// Who may read this message.
    intro: &'static str,
    /// The message; `None` where it was refused.
    message: Option<String>,
    /// The refusal; `None` where there is a message.
    refusal: Option<RefusalView>,
}

/// Why the API refused the request.
#[derive(Debug, Serialize)]
struct RefusalView {
    /// The API's status.
    status: u16,
    /// The API's text.
    text: String,
    /// What that means for the user.
    explanation: &'static str,
    /// The permission that the user lacks; `None` where the refusal has another reason.
    missing: Option<&'static str>,
}

impl View for MessageView {
    const TEMPLATE: &'static str = "message";
}

#[get("/public")]
async fn public<'r>(
    visitor: Visitor<'r>,
    reference: Reference,
    stores: Stores<'_>,
    ports: &State<Ports>,
) -> Result<Page<'r, MessageView>, Failure> {
    read(ports, reference, &stores, visitor, Topic::Public).await
}

#[get("/protected")]
async fn protected<'r>(
    user: LoginRequired<'r>,
    reference: Reference,
    stores: Stores<'_>,
    ports: &State<Ports>,
) -> Result<Page<'r, MessageView>, Failure> {
    read(ports, reference, &stores, user.into(), Topic::Protected).await
}

#[get("/admin")]
async fn admin<'r>(
    user: LoginRequired<'r>,
    reference: Reference,
    stores: Stores<'_>,
    ports: &State<Ports>,
) -> Result<Page<'r, MessageView>, Failure> {
    read(ports, reference, &stores, user.into(), Topic::Admin).await
}

async fn read<'r>(
    ports: &Ports,
    reference: Reference,
    stores: &Stores<'_>,
    visitor: Visitor<'r>,
    topic: Topic,
) -> Result<Page<'r, MessageView>, Failure> {
    let (heading, intro) = match topic {
        Topic::Public => ("Public", "Everybody can read this message."),
        Topic::Protected => ("Protected", "Only users who are logged in can read this message."),
        Topic::Admin => {
            ("Admin", "Only users with the permission read:admin-messages can read this message.")
        }
    };
    let page =
        |message, refusal| Page::new(visitor, MessageView { heading, intro, message, refusal });
    let log_failure = |cause: &RefreshError| {
        log::error!("failed to renew access token: {cause} reference={reference}")
    };
    let log_unrecorded = |cause: &UsersUnavailable| {
        log::warn!("failed to record changed permissions: {cause} reference={reference}")
    };
    let retry = match visitor.session {
        Some(_) => "Try again in a moment. You are still signed in.",
        None => "Try again in a moment.",
    };
    let read = ports.read_message(&log_failure, &log_unrecorded);
    match read.run(&*stores.session, visitor.session, topic).await {
        Ok(message) => Ok(page(Some(message.text), None)),
        Err(ReadMessageError::Api(MessageError::Refused { reason, text })) => {
            let (status, explanation) = match reason {
                RefusalReason::Unauthenticated => {
                    (401, "The API does not accept your access token.")
                }
                RefusalReason::PermissionDenied => (403, "Your account may not read this message."),
                RefusalReason::NotFound => (
                    404,
                    "The API has no such message. The address in API_SERVER_URL may be wrong.",
                ),
                RefusalReason::TooManyRequests => {
                    (429, "The API receives too many requests. Wait a moment, then try again.")
                }
                RefusalReason::Other(code) => (code, "The API does not accept this request."),
            };
            let missing = (status == 403 && topic == Topic::Admin).then_some("read:admin-messages");
            let refusal = RefusalView { status, text, explanation, missing };
            Ok(page(None, Some(refusal)).with_status(Status::new(status)))
        }
        Err(cause @ ReadMessageError::LoginRequired) => Err(Failure::new(
            Status::Unauthorized,
            "Log in again to read this message",
            "Your access to the messages has expired. You are still signed in to this site.",
            "Log in again: you will come back to this page.",
        )
        .with_action(
            "Log In",
            sign_in::login_address(&[("renew", "true"), ("next", &page_of(topic))]),
        )
        .caused_by(cause)),
        Err(
            cause @ ReadMessageError::RenewalUnavailable(Some(RefreshError::ProviderTimeout(_))),
        ) => Err(renewal_unavailable(Status::GatewayTimeout, cause)),
        Err(cause @ ReadMessageError::RenewalUnavailable(Some(RefreshError::Misconfigured(_)))) => {
            Err(Failure::new(
                Status::InternalServerError,
                "Your access cannot be renewed",
                "This site and its identity provider do not fit together. You are still signed in.",
                sign_in::ASK_OPERATORS,
            )
            .caused_by(cause))
        }
        Err(cause @ ReadMessageError::RenewalUnavailable(_)) => {
            Err(renewal_unavailable(Status::ServiceUnavailable, cause))
        }
        Err(cause @ ReadMessageError::Api(MessageError::Failed(_))) => Err(Failure::new(
            Status::BadGateway,
            "The messages are out of reach",
            "The API that holds the messages cannot be reached, or did not answer properly.",
            retry,
        )
        .caused_by(cause)),
        Err(cause @ ReadMessageError::Api(MessageError::Timeout)) => Err(Failure::new(
            Status::GatewayTimeout,
            "The messages take too long",
            "The API that holds the messages did not answer in time.",
            retry,
        )
        .caused_by(cause)),
        Err(cause @ ReadMessageError::SessionEnded(_)) => Err(Failure::new(
            Status::Unauthorized,
            "Your session has ended",
            "Your identity provider has ended it, or you have ended it on another device.",
            "Log in again: you will come back to this page.",
        )
        .with_action("Log In", sign_in::login_address(&[("next", &page_of(topic))]))
        .logged_out()
        .caused_by(cause)),
        Err(ReadMessageError::NotAllowed(refusal)) => {
            let failure = sign_in::entry_refused("Your session has ended", &refusal);
            Err(failure
                .with_action(
                    "Log in with another account",
                    sign_in::another_account(ports, NextPage::parse(&page_of(topic)).as_ref()),
                )
                .logged_out()
                .caused_by(ReadMessageError::NotAllowed(refusal)))
        }
        Err(cause @ ReadMessageError::Save(SaveSessionError::TooLarge { .. })) => {
            Err(sign_in::account_too_large(
                "Your access cannot be renewed. You are still signed in.",
                cause,
            ))
        }
        Err(cause @ ReadMessageError::Save(SaveSessionError::Unavailable(_))) => Err(Failure::new(
            Status::ServiceUnavailable,
            "This site cannot see whether you are logged in",
            "The session store cannot be reached.",
            "Try again in a moment. You have not been logged out.",
        )
        .caused_by(cause)),
    }
}

fn renewal_unavailable(status: Status, cause: ReadMessageError) -> Failure {
    Failure::new(
        status,
        "Your access cannot be renewed just now",
        "Your identity provider cannot be reached, or did not answer properly. You are still signed in.",
        "Try again in a moment.",
    )
    .caused_by(cause)
}

/// The address of the message's page.
fn page_of(topic: Topic) -> String {
    match topic {
        Topic::Public => uri!(public),
        Topic::Protected => uri!(protected),
        Topic::Admin => uri!(admin),
    }
    .to_string()
}
