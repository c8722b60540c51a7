use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;

use super::{every_clause_bites, fails};
use crate::{fakes::InMemoryMessages, messages::Fresh};
use portico_domain::{
    model::{AccessToken, Message, Topic},
    ports::{MessageApi, MessageError},
};

/// What it does that it should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    WantsATokenFromEverybody,
    TellsStrangers,
    AsksWhoLacksPermissionToSignInAgain,
    QuotesTokens,
    AnswersOneAtATime,
    IsNeverThere,
    TakesAnOutageForARefusal,
}

struct WrongMessages {
    way: Wrong,
    right: Arc<InMemoryMessages>,
    asking: AtomicUsize,
}

fn fresh(way: Wrong, right: Arc<InMemoryMessages>) -> Fresh {
    let (token, lesser) = (InMemoryMessages::token(), Some(InMemoryMessages::lesser()));
    let messages = Arc::new(WrongMessages { way, right, asking: AtomicUsize::new(0) });
    Fresh { messages, token, lesser }
}

fn wrong(way: Wrong) -> Fresh {
    fresh(way, Arc::default())
}

#[async_trait]
impl MessageApi for WrongMessages {
    async fn read(
        &self,
        topic: Topic,
        token: Option<AccessToken>,
    ) -> Result<Message, MessageError> {
        let refused = |text: &str| MessageError::Refused { status: 401, text: text.into() };
        let is_busy = self.asking.fetch_add(1, Ordering::SeqCst) > 0;
        tokio::task::yield_now().await;
        self.asking.fetch_sub(1, Ordering::SeqCst);
        let quoted = token.as_ref().map(|token| token.expose().to_owned());
        let requested = match (self.way, token) {
            (Wrong::AnswersOneAtATime, _) if is_busy => return Err(MessageError::Timeout),
            (Wrong::WantsATokenFromEverybody, None) => return Err(refused("Who are you?")),
            (Wrong::TellsStrangers, None) => Some(InMemoryMessages::token()),
            (_, token) => token,
        };
        self.right.read(topic, requested).await.map_err(|error| match (self.way, &error) {
            (Wrong::QuotesTokens, _) => refused(&quoted.unwrap_or_default()),
            (Wrong::AsksWhoLacksPermissionToSignInAgain, _)
            | (Wrong::TakesAnOutageForARefusal, MessageError::Failed(_)) => refused("Not now"),
            _ => error,
        })
    }

    async fn check(&self) -> Result<(), MessageError> {
        match self.way {
            Wrong::IsNeverThere => Err(MessageError::Timeout),
            _ => self.right.check().await,
        }
    }
}

every_clause_bites! {
    messages, wrong;
    the_public_message_is_for_everybody: WantsATokenFromEverybody,
    other_messages_want_a_token: TellsStrangers,
    who_lacks_the_permission_is_refused: AsksWhoLacksPermissionToSignInAgain,
    a_hostile_token_is_refused_and_shown_to_nobody: QuotesTokens,
    many_are_answered_at_once: AnswersOneAtATime,
    the_api_answers: IsNeverThere,
}

#[tokio::test]
async fn an_outage_is_said_and_refuses_nobody() {
    let mut server = Arc::new(InMemoryMessages::default());
    let api = fresh(Wrong::TakesAnOutageForARefusal, server.clone());
    let clause = async move {
        crate::messages::an_outage_is_said_and_refuses_nobody(api, &mut server).await;
    };
    assert!(fails(clause).await);
}
