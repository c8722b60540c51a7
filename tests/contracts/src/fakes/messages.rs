use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;

use crate::Server;
use portico_domain::{
    model::{AccessToken, Message, Topic},
    ports::{MessageApi, MessageError},
};

/// An API in memory that knows two tokens, and may be out of reach: see [`Server`].
#[derive(Debug, Default)]
pub struct InMemoryMessages(AtomicBool);

impl InMemoryMessages {
    /// Opens every message.
    pub fn token() -> AccessToken {
        AccessToken::new("opens-everything")
    }

    /// Opens all but the admin message.
    pub fn lesser() -> AccessToken {
        AccessToken::new("opens-little")
    }
}

#[async_trait]
impl Server for Arc<InMemoryMessages> {
    async fn stop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }

    async fn start_again(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

#[async_trait]
impl MessageApi for InMemoryMessages {
    async fn read(
        &self,
        topic: Topic,
        token: Option<AccessToken>,
    ) -> Result<Message, MessageError> {
        if self.0.load(Ordering::SeqCst) {
            return Err(MessageError::Failed("the test says so".into()));
        }
        let refused = |status, text: &str| MessageError::Refused { status, text: text.into() };
        let is = |known: AccessToken| token.as_ref() == Some(&known);
        match topic {
            Topic::Public => {}
            _ if is(Self::token()) => {}
            Topic::Protected if is(Self::lesser()) => {}
            Topic::Admin if is(Self::lesser()) => return Err(refused(403, "Permission denied")),
            _ => return Err(refused(401, "Requires authentication")),
        }
        Ok(Message { text: format!("This is the {} message.", topic.as_str()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        message_api_contract,
        messages::{Fresh, an_outage_is_said_and_refuses_nobody},
    };

    fn fresh(messages: Arc<dyn MessageApi>) -> Fresh {
        let (token, lesser) = (InMemoryMessages::token(), Some(InMemoryMessages::lesser()));
        Fresh { messages, token, lesser }
    }

    async fn messages() -> (Fresh, ()) {
        (fresh(Arc::new(InMemoryMessages::default())), ())
    }

    message_api_contract!(messages());

    #[tokio::test]
    async fn an_outage() {
        let mut messages = Arc::new(InMemoryMessages::default());
        an_outage_is_said_and_refuses_nobody(fresh(messages.clone()), &mut messages).await;
    }
}
