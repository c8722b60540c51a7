use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use chrono::TimeDelta;

use crate::{
    model::{EntryRefusal, EntryRules, RefreshToken, RefreshedTokens, Session, Tokens},
    ports::{
        IdentityProvider, RefreshError, Renewal, SaveSessionError, SessionStore, TokenRenewal,
        UserRepository, UsersUnavailable,
    },
};

/// Renews a session's tokens, once for all simultaneous requests.
pub struct RefreshSession<'a> {
    /// Renews the tokens.
    pub identity: &'a dyn IdentityProvider,
    /// Who may stay logged in.
    pub rules: &'a EntryRules,
    /// Records changed permissions.
    pub users: &'a dyn UserRepository,
    /// Receives the cause when changed permissions could not be recorded: the session has them.
    pub on_unrecorded: &'a (dyn Fn(&UsersUnavailable) + Sync),
}

/// Why a session has no newer tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefreshSessionError {
    /// The session has ended: the provider refused to renew it, or it was ended meanwhile.
    #[error("the session has ended: {0}")]
    Ended(String),
    /// The session has ended: by the newer claims the user may not log in here any more.
    #[error("the session has ended: {0}")]
    NotAllowed(EntryRefusal),
    /// The tokens cannot be renewed now; the session stays as it is.
    #[error(transparent)]
    Unavailable(#[from] RefreshError),
    /// Another request tried just now and failed; the session stays as it is.
    #[error("another request failed to renew the tokens")]
    FailedElsewhere,
    /// The session cannot be read or saved.
    #[error(transparent)]
    Save(#[from] SaveSessionError),
}

impl RefreshSession<'_> {
    /// Returns the session with newer tokens than those of `stale`. The access token may be the
    /// same if the provider returns it again.
    ///
    /// # Errors
    /// A [`RefreshSessionError`].
    pub async fn run(
        &self,
        sessions: &dyn SessionStore,
        stale: &Session,
    ) -> Result<Session, RefreshSessionError> {
        let renewal = ProviderRenewal {
            identity: self.identity,
            rules: self.rules,
            result: Mutex::default(),
        };
        let session = sessions.refresh(stale, &renewal).await?;
        let result = renewal.result.into_inner().unwrap_or_else(PoisonError::into_inner);
        match (session, result) {
            (Some(session), Some(Ok(_))) => {
                let permissions = &session.identity.permissions;
                if *permissions != stale.identity.permissions {
                    let recorded = self.users.record_permissions(session.subject(), permissions);
                    if let Err(cause) = recorded.await {
                        (self.on_unrecorded)(&cause);
                    }
                }
                Ok(session)
            }
            (Some(session), _) if is_newer(&session, stale) => Ok(session),
            (Some(_), Some(Err(Failure::Provider(cause)))) => Err(cause.into()),
            // The store ends the session before it returns.
            (_, Some(Err(Failure::NotAllowed(refusal, token)))) => {
                if let Some(token) = token {
                    self.identity.revoke(&token, TimeDelta::zero()).await;
                }
                Err(RefreshSessionError::NotAllowed(refusal))
            }
            (Some(_), None) => Err(RefreshSessionError::FailedElsewhere),
            (
                None,
                Some(Err(Failure::Provider(RefreshError::Incomplete { cause, refresh_token }))),
            ) => {
                self.identity.revoke(&refresh_token, TimeDelta::zero()).await;
                Err(RefreshSessionError::Ended(cause))
            }
            (None, Some(Err(Failure::Provider(cause)))) => {
                Err(RefreshSessionError::Ended(cause.to_string()))
            }
            (None, result) => {
                // The user logged out while the provider answered: the new token is not needed.
                if let Some(Ok(Some(token))) = result {
                    self.identity.revoke(&token, TimeDelta::zero()).await;
                }
                Err(RefreshSessionError::Ended("it was ended meanwhile".into()))
            }
        }
    }
}

fn is_newer(session: &Session, stale: &Session) -> bool {
    session.tokens().access_token != stale.tokens().access_token
}

/// Asks the provider, and remembers the result for the use case: the store needs to know only what
/// becomes of the session.
struct ProviderRenewal<'a> {
    identity: &'a dyn IdentityProvider,
    rules: &'a EntryRules,
    /// The new refresh token, or why there is none. `None` where no request was made.
    result: Mutex<Option<Result<Option<RefreshToken>, Failure>>>,
}

/// Why the provider's answer does not renew the session.
enum Failure {
    Provider(RefreshError),
    /// With the new refresh token.
    NotAllowed(EntryRefusal, Option<RefreshToken>),
}

#[async_trait]
impl TokenRenewal for ProviderRenewal<'_> {
    async fn renew(&self, session: &Session) -> Renewal {
        let (renewal, result) = match self.identity.refresh(session).await {
            Ok(refreshed) => {
                let token = refreshed.tokens.refresh_token.clone();
                let claims = refreshed.claims.as_ref().unwrap_or(&session.identity.claims);
                match self.rules.check(&claims.to_map()) {
                    Ok(()) => (Renewal::Refreshed(refreshed), Ok(token)),
                    Err(refusal) => (Renewal::End, Err(Failure::NotAllowed(refusal, token))),
                }
            }
            Err(cause @ (RefreshError::Refused(_) | RefreshError::InvalidIdentity(_))) => {
                (Renewal::End, Err(Failure::Provider(cause)))
            }
            Err(cause) => {
                let renewal = match &cause {
                    // Saved at once: the provider may not accept the earlier token any more.
                    RefreshError::Incomplete { refresh_token, .. } => {
                        let refresh_token = Some(refresh_token.clone());
                        let tokens = Tokens { refresh_token, ..session.tokens().clone() };
                        Renewal::Refreshed(RefreshedTokens {
                            tokens,
                            claims: None,
                            permissions: None,
                        })
                    }
                    _ => Renewal::Unchanged,
                };
                (renewal, Err(Failure::Provider(cause)))
            }
        };
        *self.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        renewal
    }
}
