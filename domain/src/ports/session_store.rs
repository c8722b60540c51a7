use async_trait::async_trait;

use crate::model::{Change, LoginAttempt, Session, State};

/// The session of the visitor behind one request, and the visitor's login attempts, wherever they
/// are kept.
///
/// A value lives as long as one request; what it writes, it also reads.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// The visitor's session. `None` for a stranger, once the session has ended or passed its
    /// lifetimes, and where what the browser brought is not exactly what was given to it; that is
    /// then cleared.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach; the visitor's session is untouched.
    async fn current(&self) -> Result<Option<Session>, SessionsUnavailable>;

    /// Starts under a fresh id, replacing any earlier session of this visitor.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach or the session too large for it.
    async fn start(&self, session: &Session) -> Result<(), SessionsUnavailable>;

    /// Changes the session if it still exists, and answers it as it is now. `None` where it does
    /// not exist: a session that was ended stays ended. What others changed meanwhile stays changed.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach or the session too large for it.
    async fn update(&self, change: &Change) -> Result<Option<Session>, SessionsUnavailable>;

    /// Asks for the turn to refresh the session's tokens, which one request at a time gets, as far
    /// as the store reaches. Waits for the one that has it, 12 seconds at most. A turn that is not
    /// given back ends after 30 seconds.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach.
    async fn take_turn(&self) -> Result<Turn, SessionsUnavailable>;

    /// Gives the turn back. Without a turn it does nothing.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach; the turn ends by itself.
    async fn end_turn(&self) -> Result<(), SessionsUnavailable>;

    /// Ends the session. Ending twice is not an error.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach.
    async fn end(&self) -> Result<(), SessionsUnavailable>;

    /// Remembers an attempt; the oldest makes room for the sixth.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach.
    async fn remember(&self, attempt: &LoginAttempt) -> Result<(), SessionsUnavailable>;

    /// Hands the attempt out once, then forgets it. `None` for an unknown or used `state`.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach.
    async fn take_attempt(
        &self,
        state: &State,
    ) -> Result<Option<LoginAttempt>, SessionsUnavailable>;
}

/// Whose turn it is to refresh a session's tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The caller's, with the session as it is now: another request may have refreshed it already.
    Yours(Session),
    /// Another request had it, and this is what it left: the session unchanged where its refresh
    /// failed or takes longer, `None` where it has ended.
    Over(Option<Session>),
}

/// The session store is out of reach, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session store is unavailable: {0}")]
pub struct SessionsUnavailable(pub String);
