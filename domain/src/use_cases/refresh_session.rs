use crate::{
    model::{Change, Session},
    ports::{IdentityProvider, RefreshError, SessionStore, SessionsUnavailable, Turn},
};

/// Renews a session's tokens, once however many requests ask together.
pub struct RefreshSession<'a> {
    /// Renews them.
    pub identity: &'a dyn IdentityProvider,
}

/// Why a session has no newer tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefreshFailed {
    /// The session is over: the provider does not want it to go on, or it was ended meanwhile.
    #[error("the session has ended: {0}")]
    Ended(String),
    /// Not now; the session stays as it is. The cause, or none where another request tried.
    #[error("the session cannot be refreshed now: {}", .0.as_ref().map_or_else(|| "another request tried".into(), ToString::to_string))]
    Unavailable(Option<RefreshError>),
    /// The session cannot be read or kept.
    #[error(transparent)]
    Sessions(#[from] SessionsUnavailable),
}

impl RefreshSession<'_> {
    /// Answers the session with newer tokens than those of `stale`.
    ///
    /// # Errors
    /// A [`RefreshFailed`]: the session is over, or it stays as it is.
    pub async fn run(
        &self,
        sessions: &dyn SessionStore,
        stale: &Session,
    ) -> Result<Session, RefreshFailed> {
        let ended = || RefreshFailed::Ended("it was ended meanwhile".into());
        let session = match sessions.take_turn().await? {
            Turn::Yours(session) => session,
            Turn::Over(session) => {
                let session = session.ok_or_else(ended)?;
                // Another request's failure is this one's: nobody asks the provider in turn.
                return newer(session, stale).ok_or(RefreshFailed::Unavailable(None));
            }
        };
        if let Some(session) = newer(session.clone(), stale) {
            sessions.end_turn().await?;
            return Ok(session);
        }
        let refreshed = match self.identity.refresh(&session).await {
            Ok(refreshed) => refreshed,
            Err(cause @ (RefreshError::Refused(_) | RefreshError::InvalidIdentity(_))) => {
                sessions.end().await?;
                return Err(RefreshFailed::Ended(cause.to_string()));
            }
            Err(cause) => {
                sessions.end_turn().await?;
                return Err(RefreshFailed::Unavailable(Some(cause)));
            }
        };
        let session = sessions.update(&Change::RefreshedTokens(refreshed)).await?;
        sessions.end_turn().await?;
        session.ok_or_else(ended)
    }
}

fn newer(session: Session, stale: &Session) -> Option<Session> {
    (session.tokens.access_token != stale.tokens.access_token).then_some(session)
}
