use crate::{
    model::{Message, Session, Topic},
    ports::{MessageApi, MessageError},
};

/// Reads a message of the API, as the visitor.
pub struct ReadMessage<'a> {
    /// Where the messages are.
    pub api: &'a dyn MessageApi,
}

impl ReadMessage<'_> {
    /// Asks with the visitor's access token where there is one. Whether the visitor may read is
    /// for the API to say.
    ///
    /// # Errors
    /// The [`MessageError`] of the API.
    pub async fn run(
        &self,
        visitor: Option<&Session>,
        topic: Topic,
    ) -> Result<Message, MessageError> {
        let token = visitor.map(|session| session.tokens.access_token.clone());
        self.api.read(topic, token).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ports::MockMessageApi, testing};

    #[tokio::test]
    async fn a_signed_in_person_asks_with_a_token_and_a_stranger_without() {
        for visitor in [Some(testing::session()), None] {
            let token = visitor.as_ref().map(|session| session.tokens.access_token.clone());
            let mut api = MockMessageApi::new();
            api.expect_read()
                .once()
                .withf(move |topic, given| *topic == Topic::Public && *given == token)
                .returning(|_, _| Ok(Message { text: "hello".into() }));
            let message = ReadMessage { api: &api }.run(visitor.as_ref(), Topic::Public).await;
            assert_eq!(message, Ok(Message { text: "hello".into() }));
        }
    }

    #[tokio::test]
    async fn what_the_api_refuses_or_fails_to_say_is_passed_on() {
        for error in [
            MessageError::Refused { status: 403, text: "Permission denied".into() },
            MessageError::AtFault("connection refused".into()),
            MessageError::Silent,
        ] {
            let mut api = MockMessageApi::new();
            let answer = error.clone();
            api.expect_read().returning(move |_, _| Err(answer.clone()));
            let message =
                ReadMessage { api: &api }.run(Some(&testing::session()), Topic::Admin).await;
            assert_eq!(message, Err(error));
        }
    }
}
