use chrono::TimeDelta;

use super::{RefreshFailed, RefreshSession};
use crate::{
    model::{Message, Session, Topic},
    ports::{
        Clock, IdentityProvider, MessageApi, MessageError, RefreshError, SessionStore,
        SessionsUnavailable,
    },
};

/// Reads a message of the API, as the visitor.
pub struct ReadMessage<'a> {
    /// Where the messages are.
    pub api: &'a dyn MessageApi,
    /// Renews an access token that is about to end.
    pub identity: &'a dyn IdentityProvider,
    /// Says which one is.
    pub clock: &'a dyn Clock,
    /// Is told why a token could not be renewed now: the visitor may not notice, the operator must.
    pub not_renewed: &'a (dyn Fn(&RefreshError) + Sync),
}

/// Why there is no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadMessageError {
    /// The API does not give it.
    #[error(transparent)]
    Api(#[from] MessageError),
    /// The visitor's session ended while it was refreshed: the cause, for the log.
    #[error("{0}")]
    SessionEnded(String),
    /// The visitor's session cannot be read or kept.
    #[error(transparent)]
    Sessions(#[from] SessionsUnavailable),
}

/// The access token is renewed when it ends within this time, so that it does not end on its way.
const SOON: TimeDelta = TimeDelta::seconds(30);

impl ReadMessage<'_> {
    /// Asks with the visitor's access token where there is one, renewed if it is about to end.
    /// Whether the visitor may read is for the API to say; but where it answers 401 to a token that
    /// looked good, the token is renewed once and the API asked once more.
    ///
    /// # Errors
    /// A [`ReadMessageError`].
    pub async fn run(
        &self,
        sessions: &dyn SessionStore,
        visitor: Option<&Session>,
        topic: Topic,
    ) -> Result<Message, ReadMessageError> {
        let Some(session) = visitor else {
            return Ok(self.api.read(topic, None).await?);
        };
        let can_refresh = session.tokens.refresh_token.is_some();
        if can_refresh && session.tokens.expires_within(SOON, self.clock.now()) {
            // Where it cannot be renewed now, the old one may still be good for a few seconds.
            let renewed = self.refresh(sessions, session).await?;
            return Ok(self.ask(renewed.as_ref().unwrap_or(session), topic).await?);
        }
        let refusal = match self.ask(session, topic).await {
            Err(refusal @ MessageError::Refused { status: 401, .. }) if can_refresh => refusal,
            answer => return Ok(answer?),
        };
        match self.refresh(sessions, session).await? {
            Some(renewed) => Ok(self.ask(&renewed, topic).await?),
            None => Err(refusal.into()),
        }
    }

    async fn ask(&self, session: &Session, topic: Topic) -> Result<Message, MessageError> {
        self.api.read(topic, Some(session.tokens.access_token.clone())).await
    }

    /// `None` where the session stays as it is.
    async fn refresh(
        &self,
        sessions: &dyn SessionStore,
        session: &Session,
    ) -> Result<Option<Session>, ReadMessageError> {
        match (RefreshSession { identity: self.identity }).run(sessions, session).await {
            Ok(session) => Ok(Some(session)),
            Err(RefreshFailed::Unavailable(cause)) => {
                if let Some(cause) = cause {
                    (self.not_renewed)(&cause);
                }
                Ok(None)
            }
            Err(RefreshFailed::Ended(cause)) => Err(ReadMessageError::SessionEnded(cause)),
            Err(RefreshFailed::Sessions(down)) => Err(down.into()),
        }
    }
}
