use async_trait::async_trait;

use super::SessionsUnavailable;
use crate::model::{LoginAttempt, LoginLoopGuard, State};

/// The log-in attempts of the visitor behind one request, stored in the visitor's browser.
///
/// A value lives as long as one request and reads its own writes.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait LoginAttempts: Send + Sync {
    /// Remembers an attempt. Beyond [`LoginAttempt::MAX_OPEN`] the oldest one is dropped.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when it cannot be remembered.
    async fn remember(&self, attempt: &LoginAttempt) -> Result<(), SessionsUnavailable>;

    /// Returns the attempt once, then forgets it. `None` for an unknown or used `state`.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the replay guard is out of reach.
    async fn take(&self, state: &State) -> Result<Option<LoginAttempt>, SessionsUnavailable>;

    /// The results of the browser's recent log-ins; empty if there were none.
    async fn loop_guard(&self) -> LoginLoopGuard;

    /// Replaces what [`Self::loop_guard`] returns, for [`LoginLoopGuard::WINDOW`].
    async fn set_loop_guard(&self, guard: &LoginLoopGuard);
}
