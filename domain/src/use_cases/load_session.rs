use crate::{
    model::{Lifetimes, Session, SessionChange},
    ports::{Clock, SessionStore, SessionsUnavailable},
};

/// Loads the visitor's session and records the visit.
pub struct LoadSession<'a> {
    /// Dates the visit.
    pub clock: &'a dyn Clock,
    /// When sessions expire.
    pub lifetimes: Lifetimes,
}

impl LoadSession<'_> {
    /// The visitor's session; `None` where nobody is logged in.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the session cannot be read. A visit that cannot be recorded is
    /// no error: the visitor is logged in all the same.
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
        match sessions.update(&SessionChange::Seen(now)).await {
            Ok(session) => Ok(session),
            Err(_) => Ok(Some(session)),
        }
    }
}
