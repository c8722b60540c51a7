use async_trait::async_trait;
use portico_domain::{
    model::{AccessToken, Message, Topic},
    ports::{MessageApi, MessageError},
};

/// The messages without an API, in the words of the guide's starter.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalMessages;

#[async_trait]
impl MessageApi for LocalMessages {
    /// Takes any token: there is no API here that could judge it. Whether the person is signed in
    /// was found out by whoever asks.
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
    async fn a_stranger_reads_the_public_message_only() {
        let public = LocalMessages.read(Topic::Public, None).await.unwrap();
        assert_eq!(public.text, "This is a public message.");
        for topic in [Topic::Protected, Topic::Admin] {
            let text = "Requires authentication".into();
            let refused = MessageError::Refused { status: 401, text };
            assert_eq!(LocalMessages.read(topic, None).await, Err(refused));
        }
    }

    #[tokio::test]
    async fn a_signed_in_person_reads_every_message() {
        for (topic, text) in [
            (Topic::Public, "This is a public message."),
            (Topic::Protected, "This is a protected message."),
            (Topic::Admin, "This is an admin message."),
        ] {
            let message = LocalMessages.read(topic, Some(AccessToken::new("token"))).await;
            assert_eq!(message, Ok(Message { text: text.into() }));
        }
    }
}
