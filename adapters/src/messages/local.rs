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
    use super::*;

    #[tokio::test]
    async fn only_the_public_message_is_for_strangers() {
        let read = |topic, token| async move { LocalMessages.read(topic, token).await };
        let token = || Some(AccessToken::new("token"));
        assert_eq!(read(Topic::Public, None).await.unwrap().text, "This is a public message.");
        assert_eq!(read(Topic::Admin, token()).await.unwrap().text, "This is an admin message.");
        for topic in [Topic::Protected, Topic::Admin] {
            assert!(matches!(
                read(topic, None).await,
                Err(MessageError::Refused { status: 401, .. })
            ));
        }
    }
}
