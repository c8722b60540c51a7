use async_trait::async_trait;
use portico_domain::{
    model::{AccessToken, Message, Topic},
    ports::{MessageApi, MessageError, RefusalReason},
};

/// Fixed messages, for a site without an API: those of the starter project of Auth0's guide. Any
/// access token is accepted.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalMessages;

#[async_trait]
impl MessageApi for LocalMessages {
    async fn read(
        &self,
        topic: Topic,
        token: Option<AccessToken>,
    ) -> Result<Message, MessageError> {
        let text = match (topic, token) {
            (Topic::Public, _) => "This is a public message.",
            (Topic::Protected, Some(_)) => "This is a protected message.",
            (Topic::Admin, Some(_)) => "This is an admin message.",
            (Topic::Protected | Topic::Admin, None) => {
                let reason = RefusalReason::Unauthenticated;
                return Err(MessageError::Refused {
                    reason,
                    text: "Requires authentication".into(),
                });
            }
        };
        Ok(Message { text: text.into() })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portico_contracts::{message_api_contract, messages::TestApi};

    use super::*;

    async fn local_messages() -> (TestApi, ()) {
        let token = AccessToken::new("any");
        // The site decides who may read the admin message.
        (TestApi { messages: Arc::new(LocalMessages), token, limited_token: None }, ())
    }

    message_api_contract!(local_messages());

    #[tokio::test]
    async fn returns_the_messages_of_the_guide() {
        let read = |topic, token| async move { LocalMessages.read(topic, token).await };
        let token = || Some(AccessToken::new("token"));
        assert_eq!(read(Topic::Public, None).await.unwrap().text, "This is a public message.");
        let protected = read(Topic::Protected, token()).await.unwrap();
        assert_eq!(protected.text, "This is a protected message.");
        assert_eq!(read(Topic::Admin, token()).await.unwrap().text, "This is an admin message.");
    }
}
