use portico_domain::{
    model::{Session, Topic},
    ports::MessageError,
    use_cases::ReadMessage,
};
use rocket::{Route, State, get, http::Status, routes};

use crate::{
    guards::{LoginRequired, Visitor},
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
async fn public(visitor: Visitor<'_>, ports: &State<Ports>) -> Result<Page<MessageView>, Failure> {
    read(ports, visitor.session, Topic::Public).await
}

#[get("/protected")]
async fn protected(
    person: LoginRequired<'_>,
    ports: &State<Ports>,
) -> Result<Page<MessageView>, Failure> {
    read(ports, Some(person.0), Topic::Protected).await
}

#[get("/admin")]
async fn admin(
    person: LoginRequired<'_>,
    ports: &State<Ports>,
) -> Result<Page<MessageView>, Failure> {
    read(ports, Some(person.0), Topic::Admin).await
}

async fn read(
    ports: &Ports,
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
    match (ReadMessage { api: &*ports.messages }).run(visitor, topic).await {
        Ok(message) => Ok(page(Some(message.text), None)),
        Err(MessageError::Refused { status, text }) => {
            let explanation = match status {
                401 => {
                    "The API does not take your access token. It may have expired: log out, then log in again."
                }
                403 => {
                    "Your account lacks the permission for this. An administrator of this site can grant it; it takes effect at your next login."
                }
                404 => {
                    "The API does not know this message. The address in API_SERVER_URL may be wrong."
                }
                429 => "The API is asked too often. Wait a moment, then try again.",
                _ => "The API does not accept this request.",
            };
            let refusal = RefusalView { status, text, explanation };
            Ok(page(None, Some(refusal)).with_status(Status::new(status)))
        }
        Err(cause @ MessageError::AtFault(_)) => Err(Failure::new(
            Status::BadGateway,
            "The messages are out of reach",
            "The API that holds the messages cannot be reached, or did not answer properly.",
            "Try again in a moment. You are still signed in.",
        )
        .caused_by(cause)),
        Err(cause @ MessageError::Silent) => Err(Failure::new(
            Status::GatewayTimeout,
            "The messages take too long",
            "The API that holds the messages did not answer in time.",
            "Try again in a moment. You are still signed in.",
        )
        .caused_by(cause)),
    }
}
