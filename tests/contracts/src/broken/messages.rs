use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;

use super::{fails, refuses_broken_adapters};
use crate::{fakes::InMemoryMessages, messages::TestApi};
use portico_domain::{
    model::{Message, Reader, Topic},
    ports::{MessageApi, MessageError, RefusalReason},
};

/// What the adapter does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    RequiresTokenForPublicMessage,
    RequiresNoToken,
    ReportsMissingPermissionAsUnauthenticated,
    ShowsTokens,
    RefusesSimultaneousRequests,
    FailsCheck,
    ReportsOutageAsRefusal,
}

struct BrokenMessages {
    fault: Fault,
    inner: Arc<InMemoryMessages>,
    in_flight: AtomicUsize,
}

fn api(fault: Fault, inner: Arc<InMemoryMessages>) -> TestApi {
    let (reader, limited_reader) = (InMemoryMessages::reader(), InMemoryMessages::limited_reader());
    let messages = Arc::new(BrokenMessages { fault, inner, in_flight: AtomicUsize::new(0) });
    TestApi { messages, reader, limited_reader, verifies_tokens: true }
}

fn broken(fault: Fault) -> TestApi {
    api(fault, Arc::default())
}

#[async_trait]
impl MessageApi for BrokenMessages {
    async fn read(&self, topic: Topic, reader: Option<Reader>) -> Result<Message, MessageError> {
        let reason = RefusalReason::Unauthenticated;
        let refused = |text: &str| MessageError::Refused { reason, text: text.into() };
        let is_busy = self.in_flight.fetch_add(1, Ordering::SeqCst) > 0;
        tokio::task::yield_now().await;
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        let quoted = reader.as_ref().map(|reader| reader.access_token.expose().to_owned());
        let reader = match (self.fault, reader) {
            (Fault::RefusesSimultaneousRequests, _) if is_busy => {
                return Err(MessageError::Timeout);
            }
            (Fault::RequiresTokenForPublicMessage, None) => {
                return Err(refused("Requires authentication"));
            }
            (Fault::RequiresNoToken, None) => Some(InMemoryMessages::reader()),
            (_, reader) => reader,
        };
        self.inner.read(topic, reader).await.map_err(|error| match (self.fault, &error) {
            (Fault::ShowsTokens, _) => refused(&quoted.unwrap_or_default()),
            (Fault::ReportsMissingPermissionAsUnauthenticated, _)
            | (Fault::ReportsOutageAsRefusal, MessageError::Failed(_)) => refused("Unavailable"),
            _ => error,
        })
    }

    async fn check(&self) -> Result<(), MessageError> {
        match self.fault {
            Fault::FailsCheck => Err(MessageError::Timeout),
            _ => self.inner.check().await,
        }
    }
}

refuses_broken_adapters! {
    messages, broken;
    public_message_needs_no_token: RequiresTokenForPublicMessage,
    other_messages_need_a_token: RequiresNoToken,
    refuses_missing_permission: ReportsMissingPermissionAsUnauthenticated,
    refuses_hostile_token_without_showing_it: ShowsTokens,
    answers_simultaneous_requests: RefusesSimultaneousRequests,
    check_succeeds: FailsCheck,
}

#[tokio::test]
async fn reports_outage_without_refusing() {
    let mut server = Arc::new(InMemoryMessages::default());
    let api = api(Fault::ReportsOutageAsRefusal, server.clone());
    let clause = async move {
        crate::messages::reports_outage_without_refusing(api, &mut server).await;
    };
    assert!(fails(clause).await);
}
