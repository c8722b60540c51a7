use async_trait::async_trait;

use crate::model::{RefreshedTokens, Session, SessionChange};

/// The session of the visitor behind one request.
///
/// A value lives as long as one request and reads its own writes.
#[cfg_attr(feature = "testing", mockall::automock)]
#[cfg_attr(feature = "testing", allow(unused_parens, reason = "false alarm in the mock's code"))]
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// The visitor's session. `None` where nobody is logged in, the session has ended or expired,
    /// or what the browser sent is not exactly what the store issued.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach; the session is unchanged.
    async fn current(&self) -> Result<Option<Session>, SessionsUnavailable>;

    /// Starts a session under a fresh id and ends any earlier session of this visitor. A store
    /// with little room may leave out the ID token.
    ///
    /// # Errors
    /// [`SaveSessionError`]: the earlier session goes on.
    async fn start(&self, session: &Session) -> Result<(), SaveSessionError>;

    /// Changes the session if it still exists, and returns it as it is now. `None` where it does
    /// not exist: a session that was ended stays ended. Simultaneous changes are all applied.
    ///
    /// # Errors
    /// [`SaveSessionError`]: the session is unchanged.
    async fn update(&self, change: &SessionChange) -> Result<Option<Session>, SaveSessionError>;

    /// Renews the session's tokens under a lock, so that of the requests that find `stale` at the
    /// same time only one asks the provider, as far as the store reaches. Returns the session as
    /// it is afterwards, `None` if it has ended.
    ///
    /// The other requests wait, for 12 seconds at most, and take what the first one left: also
    /// its failure, which leaves the session as it was. `renewal` is not called when another
    /// request has renewed the tokens since `stale` was read. The lock is released whatever
    /// happens, and expires after 30 seconds if the process ends.
    ///
    /// # Errors
    /// [`SaveSessionError`] when the store is out of reach or has no room for the new tokens.
    async fn refresh<'a>(
        &self,
        stale: &Session,
        renewal: &'a (dyn TokenRenewal + 'a),
    ) -> Result<Option<Session>, SaveSessionError>;

    /// Ends the session. Ending it twice is no error.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store is out of reach; the session may go on.
    async fn end(&self) -> Result<(), SessionsUnavailable>;
}

/// Asks the provider for newer tokens: what [`SessionStore::refresh`] does under its lock.
#[async_trait]
pub trait TokenRenewal: Send + Sync {
    /// Renews the tokens of this session.
    async fn renew(&self, session: &Session) -> Renewal;
}

/// The result of renewing the tokens of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// It goes on with newer tokens.
    Refreshed(RefreshedTokens),
    /// It stays as it is: no newer tokens can be had now.
    Unchanged,
    /// It ends.
    End,
}

/// The session store is out of reach, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session store is unavailable: {0}")]
pub struct SessionsUnavailable(pub String);

/// Why a session cannot be saved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaveSessionError {
    /// The store has no room for a session of this size, now or later.
    #[error("the session takes {bytes} bytes, {max_bytes} fit into the store")]
    TooLarge {
        /// Size of the session, without its ID token.
        bytes: usize,
        /// Size that the store can keep.
        max_bytes: usize,
    },
    /// The store is out of reach.
    #[error(transparent)]
    Unavailable(#[from] SessionsUnavailable),
}
