use super::revoke_sessions::revoke_sessions;
use crate::{
    model::{Revocation, Subject},
    ports::{
        IdentityProvider, SessionRegistry, SessionsUnavailable, UserRepository, UsersUnavailable,
    },
};

/// Deletes a user's record and ends the user's sessions.
pub struct DeleteUser<'a> {
    /// Deletes the record.
    pub users: &'a dyn UserRepository,
    /// Ends the sessions.
    pub registry: &'a dyn SessionRegistry,
    /// Revokes the refresh tokens of the ended sessions; `None` leaves them to expire.
    pub identity: Option<&'a dyn IdentityProvider>,
}

/// Why the user is not, or not completely, deleted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeleteUserError {
    /// The sessions cannot be ended; the record is still there.
    #[error(transparent)]
    Sessions(#[from] SessionsUnavailable),
    /// The sessions have ended; the record is still there.
    #[error(transparent)]
    Users(#[from] UsersUnavailable),
}

impl DeleteUser<'_> {
    /// Ends the sessions, then deletes the record. False where there was no record.
    ///
    /// # Errors
    /// A [`DeleteUserError`]; the call can be repeated.
    pub async fn run(&self, subject: &Subject) -> Result<bool, DeleteUserError> {
        // Sessions first, and also without a record: what fails can be repeated until both are
        // gone, and no session outlives the record.
        let revocation = Revocation::User { subject: subject.clone(), except: None };
        revoke_sessions(self.registry, self.identity, &revocation).await?;
        Ok(self.users.delete(subject).await?)
    }
}
