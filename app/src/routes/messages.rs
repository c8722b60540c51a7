use portico_domain::{
    model::{Session, Topic},
    ports::{MessageError, RefreshError, RefusalReason},
    use_cases::ReadMessageError,
};
use rocket::{Route, State, get, http::Status, routes};

use crate::{
    guards::{LoginRequired, Reference, Stores, Visitor},
    ports::Ports,
    views::{Failure, MessageView, Page, RefusalView, Tab, View},
};

pub(super) fn routes() -> Vec<Route> {
    routes![public, protected, admin]
}

impl View for MessageView {
    const TEMPLATE: &'static str = "message";
}

#[get("/public")]
async fn public(
    visitor: Visitor<'_>,
    reference: Reference,
    stores: Stores<'_>,
    ports: &State<Ports>,
) -> Result<Page<MessageView>, Failure> {
    read(ports, reference, &stores, visitor.session, Topic::Public).await
}

#[get("/protected")]
async fn protected(
    user: LoginRequired<'_>,
    reference: Reference,
    stores: Stores<'_>,
    ports: &State<Ports>,
) -> Result<Page<MessageView>, Failure> {
    read(ports, reference, &stores, Some(user.0), Topic::Protected).await
}

#[get("/admin")]
async fn admin(
    user: LoginRequired<'_>,
    reference: Reference,
    stores: Stores<'_>,
    ports: &State<Ports>,
) -> Result<Page<MessageView>, Failure> {
    read(ports, reference, &stores, Some(user.0), Topic::Admin).await
}

async fn read(
    ports: &Ports,
    reference: Reference,
    stores: &Stores<'_>,
    visitor: Option<&Session>,
    topic: Topic,
) -> Result<Page<MessageView>, Failure> {
    let (tab, heading, intro) = match topic {
        Topic::Public => (Tab::Public, "Public", "Everybody can read this message."),
        Topic::Protected => {
            (Tab::Protected, "Protected", "Only users who are signed in can read this message.")
        }
        Topic::Admin => (
            Tab::Admin,
            "Admin",
            "Only users with the permission read:admin-messages can read this message.",
        ),
    };
    let page =
        |message, refusal| Page::new(MessageView { heading, intro, message, refusal }).under(tab);
    let log_failure = |cause: &RefreshError| {
        log::error!("failed to renew access token: {cause} reference={reference}")
    };
    let retry = match visitor {
        Some(_) => "Try again in a moment. You are still signed in.",
        None => "Try again in a moment.",
    };
    match ports.read_message(&log_failure).run(&*stores.session, visitor, topic).await {
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
            "Your access to the messages has expired. You are still logged in to this site.",
            "Log in again: you will come back to this page.",
        )
        .with_action("Log In", renew_login_for(topic))
        .caused_by(cause)),
        Err(
            cause @ ReadMessageError::RenewalUnavailable(Some(RefreshError::ProviderTimeout(_))),
        ) => Err(renewal_unavailable(Status::GatewayTimeout, cause)),
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
        .with_action("Log In", log_in_for(topic))
        .logged_out()
        .caused_by(cause)),
        Err(ReadMessageError::NotAllowed(refusal)) => {
            let failure = super::login::not_allowed("Your session has ended", &refusal);
            Err(failure
                .with_action(
                    "Log in with another account",
                    super::login::another_account(ports.identity.prompt_for_another_account()),
                )
                .logged_out()
                .caused_by(ReadMessageError::NotAllowed(refusal)))
        }
        Err(cause @ ReadMessageError::Save(_)) => Err(Failure::new(
            Status::ServiceUnavailable,
            "We cannot see whether you are signed in",
            "The session store cannot be reached.",
            "Try again in a moment. You have not been signed out.",
        )
        .caused_by(cause)),
    }
}

fn renewal_unavailable(status: Status, cause: ReadMessageError) -> Failure {
    Failure::new(
        status,
        "Your access cannot be renewed just now",
        "Your identity provider cannot be reached, or did not answer properly. You are still logged in.",
        "Try again in a moment.",
    )
    .caused_by(cause)
}

/// The log-in page, although a session exists, and back.
fn renew_login_for(topic: Topic) -> &'static str {
    match topic {
        Topic::Public => "/login?renew=true&next=%2Fpublic",
        Topic::Protected => "/login?renew=true&next=%2Fprotected",
        Topic::Admin => "/login?renew=true&next=%2Fadmin",
    }
}

/// The log-in page, and back.
fn log_in_for(topic: Topic) -> &'static str {
    match topic {
        Topic::Public => "/login?next=%2Fpublic",
        Topic::Protected => "/login?next=%2Fprotected",
        Topic::Admin => "/login?next=%2Fadmin",
    }
}
