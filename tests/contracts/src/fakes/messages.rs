use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;

use crate::{Server, fixtures};
use portico_domain::{
    model::{Message, Reader, Topic},
    ports::{MessageApi, MessageError, RefusalReason},
};

/// An API in memory that accepts two tokens, and can be down: see [`Server`].
#[derive(Debug, Default)]
pub struct InMemoryMessages(AtomicBool);

impl InMemoryMessages {
    /// May read every message.
    pub fn reader() -> Reader {
        fixtures::reader("full-access", true)
    }

    /// May read all but the admin message.
    pub fn limited_reader() -> Reader {
        fixtures::reader("limited-access", false)
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
    async fn read(&self, topic: Topic, reader: Option<Reader>) -> Result<Message, MessageError> {
        if self.0.load(Ordering::SeqCst) {
            return Err(MessageError::Failed("stopped by the test".into()));
        }
        let refused = |reason, text: &str| MessageError::Refused { reason, text: text.into() };
        let is = |other: Reader| reader.as_ref() == Some(&other);
        match topic {
            Topic::Public => {}
            _ if is(Self::reader()) => {}
            Topic::Protected if is(Self::limited_reader()) => {}
            Topic::Admin if is(Self::limited_reader()) => {
                return Err(refused(RefusalReason::PermissionDenied, "Permission denied"));
            }
            _ => return Err(refused(RefusalReason::Unauthenticated, "Requires authentication")),
        }
        Ok(Message { text: format!("This is the {} message.", topic.as_str()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        message_api_contract,
        messages::{TestApi, reports_outage_without_refusing},
    };

    fn fresh(messages: Arc<dyn MessageApi>) -> TestApi {
        let reader = InMemoryMessages::reader();
        let limited_reader = InMemoryMessages::limited_reader();
        TestApi { messages, reader, limited_reader, verifies_tokens: true }
    }

    async fn messages() -> (TestApi, ()) {
        (fresh(Arc::new(InMemoryMessages::default())), ())
    }

    message_api_contract!(messages());

    #[tokio::test]
    async fn reports_outage() {
        let mut messages = Arc::new(InMemoryMessages::default());
        reports_outage_without_refusing(fresh(messages.clone()), &mut messages).await;
    }
}
