use crate::{
    model::{Change, Lifetimes, Session},
    ports::{Clock, SessionStore, SessionsUnavailable},
};

/// Tells who is behind a request, and notes that the person was here.
pub struct LoadSession<'a> {
    /// Says when now is.
    pub clock: &'a dyn Clock,
    /// Say when a session ends.
    pub lifetimes: Lifetimes,
}

impl LoadSession<'_> {
    /// The visitor's session; `None` for a stranger.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store cannot say. That the visit could not be noted is no
    /// error: the person is signed in all the same. A session that ended meanwhile is none.
    pub async fn run(
        &self,
        sessions: &dyn SessionStore,
    ) -> Result<Option<Session>, SessionsUnavailable> {
        let now = self.clock.now();
        let Some(session) = sessions.current().await? else {
            return Ok(None);
        };
        if !self.lifetimes.visit_is_due(&session, now) {
            return Ok(Some(session));
        }
        match sessions.update(&Change::Seen(now)).await {
            Ok(session) => Ok(session),
            Err(_) => Ok(Some(session)),
        }
    }
}
