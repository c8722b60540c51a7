use async_trait::async_trait;
use portico_domain::{
    model::{AccessToken, Message, Topic},
    ports::{MessageApi, MessageError},
};

/// Answers the messages itself, as the starter of Auth0's guide does: for a site without an API.
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
                let text = "Requires authentication".into();
                return Err(MessageError::Refused { status: 401, text });
            }
        };
        Ok(Message { text: text.into() })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portico_contracts::{message_api_contract, messages::Fresh};

    use super::*;

    async fn without_an_api() -> (Fresh, ()) {
        let token = AccessToken::new("any");
        // Whether somebody may read the admin message is the site's decision here.
        (Fresh { messages: Arc::new(LocalMessages), token, lesser: None }, ())
    }

    message_api_contract!(without_an_api());

    #[tokio::test]
    async fn the_messages_are_those_of_the_guide() {
        let read = |topic, token| async move { LocalMessages.read(topic, token).await };
        let token = || Some(AccessToken::new("token"));
        assert_eq!(read(Topic::Public, None).await.unwrap().text, "This is a public message.");
        let protected = read(Topic::Protected, token()).await.unwrap();
        assert_eq!(protected.text, "This is a protected message.");
        assert_eq!(read(Topic::Admin, token()).await.unwrap().text, "This is an admin message.");
    }
}
