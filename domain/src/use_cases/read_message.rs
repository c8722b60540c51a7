use super::{RefreshSession, RefreshSessionError};
use crate::{
    model::{EntryRefusal, EntryRules, Message, Reader, Session, Topic},
    ports::{
        Clock, IdentityProvider, MessageApi, MessageError, RefreshError, RefusalReason,
        SaveSessionError, SessionStore, UserRepository, UsersUnavailable,
    },
};

/// Reads a message of the API with the visitor's access token.
pub struct ReadMessage<'a> {
    /// Has the messages.
    pub api: &'a dyn MessageApi,
    /// Renews the access token.
    pub identity: &'a dyn IdentityProvider,
    /// Tells whether the access token is about to expire.
    pub clock: &'a dyn Clock,
    /// Who may stay logged in.
    pub rules: &'a EntryRules,
    /// Receives the cause when a token could not be renewed: the visitor may not notice it, the
    /// operator must.
    pub on_renewal_failure: &'a (dyn Fn(&RefreshError) + Sync),
    /// Records what the user may do, where a renewal changes it.
    pub users: &'a dyn UserRepository,
    /// Receives the cause when that could not be recorded.
    pub on_unrecorded: &'a (dyn Fn(&UsersUnavailable) + Sync),
}

/// Why there is no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadMessageError {
    /// The API does not return it.
    #[error(transparent)]
    Api(#[from] MessageError),
    /// The API refused the access token, which cannot be renewed now. `None` where another request
    /// tried just now and failed. The visitor is still logged in.
    #[error("the access token cannot be renewed now: {}", .0.as_ref().map_or_else(|| "another request failed".into(), ToString::to_string))]
    RenewalUnavailable(Option<RefreshError>),
    /// The API refused the access token, and there is no refresh token: the visitor has to log in
    /// again.
    #[error("the API refused the access token, and there is no refresh token")]
    LoginRequired,
    /// The session ended while its tokens were renewed: the cause, for the log.
    #[error("{0}")]
    SessionEnded(String),
    /// The session ended while its tokens were renewed: the user may not log in here any more.
    #[error("the session has ended: {0}")]
    NotAllowed(EntryRefusal),
    /// The session cannot be read or saved.
    #[error(transparent)]
    Save(#[from] SaveSessionError),
}

impl ReadMessage<'_> {
    /// Reads with the visitor's access token where there is one, renewed first if it is about to
    /// expire. Whether the visitor may read the message is for the API to decide. If the API does
    /// not accept the token, it is renewed once and the request repeated once.
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
        let can_refresh = session.tokens().refresh_token.is_some();
        if can_refresh && session.tokens().renewal_is_due(self.clock.now()) {
            return match self.refresh(sessions, session).await {
                Ok(renewed) => Ok(self.read(&renewed, topic).await?),
                // The old token may still be accepted for some seconds.
                Err(cause @ ReadMessageError::RenewalUnavailable(_)) => {
                    match self.read(session, topic).await {
                        Err(error) if is_unauthenticated(&error) => Err(cause),
                        answer => Ok(answer?),
                    }
                }
                Err(cause) => Err(cause),
            };
        }
        match self.read(session, topic).await {
            Err(error) if !is_unauthenticated(&error) => Err(error.into()),
            Err(_) if !can_refresh => Err(ReadMessageError::LoginRequired),
            Err(_) => {
                let renewed = self.refresh(sessions, session).await?;
                Ok(self.read(&renewed, topic).await?)
            }
            Ok(message) => Ok(message),
        }
    }

    async fn read(&self, session: &Session, topic: Topic) -> Result<Message, MessageError> {
        let access_token = session.tokens().access_token.clone();
        let permissions = session.identity.permissions.clone();
        self.api.read(topic, Some(Reader { access_token, permissions })).await
    }

    async fn refresh(
        &self,
        sessions: &dyn SessionStore,
        session: &Session,
    ) -> Result<Session, ReadMessageError> {
        let Self { identity, rules, users, on_unrecorded, .. } = *self;
        let refresh = RefreshSession { identity, rules, users, on_unrecorded };
        refresh.run(sessions, session).await.map_err(|error| match error {
            RefreshSessionError::Unavailable(cause) => {
                (self.on_renewal_failure)(&cause);
                ReadMessageError::RenewalUnavailable(Some(cause))
            }
            RefreshSessionError::FailedElsewhere => ReadMessageError::RenewalUnavailable(None),
            RefreshSessionError::NotAllowed(refusal) => ReadMessageError::NotAllowed(refusal),
            RefreshSessionError::Ended(cause) => ReadMessageError::SessionEnded(cause),
            RefreshSessionError::Save(cause) => cause.into(),
        })
    }
}

fn is_unauthenticated(error: &MessageError) -> bool {
    matches!(error, MessageError::Refused { reason: RefusalReason::Unauthenticated, .. })
}
