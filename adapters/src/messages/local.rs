use async_trait::async_trait;
use portico_domain::{
    model::{Check, Message, Reader, Topic},
    ports::{MessageApi, MessageError, RefusalReason},
};

/// Fixed messages, for a site without an API: those of the starter project of Auth0's guide. The
/// user's permissions decide; any access token is accepted.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalMessages;

#[async_trait]
impl MessageApi for LocalMessages {
    async fn read(&self, topic: Topic, reader: Option<Reader>) -> Result<Message, MessageError> {
        let refused = |reason, text: &str| MessageError::Refused { reason, text: text.into() };
        match (&reader, topic.permission()) {
            (None, _) if topic != Topic::Public => {
                return Err(refused(RefusalReason::Unauthenticated, "Requires authentication"));
            }
            (Some(reader), Some(needed)) if !reader.permissions.contains(&needed) => {
                return Err(refused(RefusalReason::PermissionDenied, "Permission denied"));
            }
            _ => {}
        }
        let text = match topic {
            Topic::Public => "This is a public message.",
            Topic::Protected => "This is a protected message.",
            Topic::Admin => "This is an admin message.",
        };
        Ok(Message { text: text.into() })
    }

    async fn examine(&self) -> Vec<Check> {
        vec![Check::passed("public", "answered locally (API_SERVER_URL is not set)")]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portico_contracts::{fixtures, message_api_contract, messages::TestApi};

    use super::*;

    async fn local_messages() -> (TestApi, ()) {
        let api = TestApi {
            messages: Arc::new(LocalMessages),
            reader: fixtures::reader("any", true),
            limited_reader: fixtures::reader("any", false),
            verifies_tokens: false,
        };
        (api, ())
    }

    message_api_contract!(local_messages());

    #[tokio::test]
    async fn returns_the_messages_of_the_guide() {
        let read = |topic, reader| async move { LocalMessages.read(topic, reader).await };
        let reader = || Some(fixtures::reader("any", true));
        assert_eq!(read(Topic::Public, None).await.unwrap().text, "This is a public message.");
        let protected = read(Topic::Protected, reader()).await.unwrap();
        assert_eq!(protected.text, "This is a protected message.");
        assert_eq!(read(Topic::Admin, reader()).await.unwrap().text, "This is an admin message.");
    }
}
