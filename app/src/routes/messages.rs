use portico_domain::{
    model::{Session, Topic},
    ports::MessageError,
    use_cases::{ReadMessage, ReadMessageError},
};
use rocket::{Route, State, get, http::Status, routes};

use crate::{
    guards::{LoginRequired, Reference, Store, Visitor},
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
    store: Store<'_>,
    ports: &State<Ports>,
) -> Result<Page<MessageView>, Failure> {
    read(ports, reference, &store, visitor.session, Topic::Public).await
}

#[get("/protected")]
async fn protected(
    person: LoginRequired<'_>,
    reference: Reference,
    store: Store<'_>,
    ports: &State<Ports>,
) -> Result<Page<MessageView>, Failure> {
    read(ports, reference, &store, Some(person.0), Topic::Protected).await
}

#[get("/admin")]
async fn admin(
    person: LoginRequired<'_>,
    reference: Reference,
    store: Store<'_>,
    ports: &State<Ports>,
) -> Result<Page<MessageView>, Failure> {
    read(ports, reference, &store, Some(person.0), Topic::Admin).await
}

async fn read(
    ports: &Ports,
    reference: Reference,
    store: &Store<'_>,
    visitor: Option<&Session>,
    topic: Topic,
) -> Result<Page<MessageView>, Failure> {
    let (tab, heading, intro) = match topic {
        Topic::Public => (Tab::Public, "Public", "Everybody can read this message."),
        Topic::Protected => {
            (Tab::Protected, "Protected", "Only people who are signed in can read this message.")
        }
        Topic::Admin => (
            Tab::Admin,
            "Admin",
            "Only people with the permission read:admin-messages can read this message.",
        ),
    };
    let page =
        |message, refusal| Page::new(MessageView { heading, intro, message, refusal }).under(tab);
    let read = ReadMessage {
        api: &*ports.messages,
        identity: &*ports.identity,
        clock: &*ports.clock,
        not_renewed: &|cause| log::error!("{reference}: an access token is not renewed: {cause}"),
    };
    match read.run(&*store.0, visitor, topic).await {
        Ok(message) => Ok(page(Some(message.text), None)),
        Err(ReadMessageError::Api(MessageError::Refused { status, text })) => {
            let explanation = match status {
                401 => {
                    "The API does not take your access token. It may have expired: log out, then log in again."
                }
                403 => "Your account may not read this message.",
                404 => {
                    "The API does not know this message. The address in API_SERVER_URL may be wrong."
                }
                429 => "The API is asked too often. Wait a moment, then try again.",
                _ => "The API does not accept this request.",
            };
            let missing = (status == 403 && topic == Topic::Admin).then_some("read:admin-messages");
            let refusal = RefusalView { status, text, explanation, missing };
            Ok(page(None, Some(refusal)).with_status(Status::new(status)))
        }
        Err(cause @ ReadMessageError::Api(MessageError::Failed(_))) => Err(Failure::new(
            Status::BadGateway,
            "The messages are out of reach",
            "The API that holds the messages cannot be reached, or did not answer properly.",
            "Try again in a moment. You are still signed in.",
        )
        .caused_by(cause)),
        Err(cause @ ReadMessageError::Api(MessageError::Timeout)) => Err(Failure::new(
            Status::GatewayTimeout,
            "The messages take too long",
            "The API that holds the messages did not answer in time.",
            "Try again in a moment. You are still signed in.",
        )
        .caused_by(cause)),
        Err(cause @ ReadMessageError::SessionEnded(_)) => Err(Failure::new(
            Status::Unauthorized,
            "Your session has ended",
            "The service that knows who you are has ended it, or you did so from another device.",
            "Log in again: you will come back to this page.",
        )
        .with_action("Log In", log_in_for(topic))
        .for_a_stranger()
        .caused_by(cause)),
        Err(cause @ ReadMessageError::Sessions(_)) => Err(Failure::new(
            Status::ServiceUnavailable,
            "We cannot see whether you are signed in",
            "The place where sign-ins are kept is out of reach.",
            "Try again in a moment. You have not been signed out.",
        )
        .caused_by(cause)),
    }
}

/// Signs in and comes back.
fn log_in_for(topic: Topic) -> &'static str {
    match topic {
        Topic::Public => "/login?next=%2Fpublic",
        Topic::Protected => "/login?next=%2Fprotected",
        Topic::Admin => "/login?next=%2Fadmin",
    }
}
