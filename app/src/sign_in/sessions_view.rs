use portico_domain::model::{Session, SessionSummary};
use serde::Serialize;

use crate::web::{Timestamp, View};

/// The user's sessions.
#[derive(Debug, Serialize)]
pub(super) struct SessionsView {
    sessions: Vec<SessionView>,
    /// Whether these are all sessions; `false` where only this one is available, because the store cannot
    /// list sessions.
    all: bool,
}

#[derive(Debug, Serialize)]
struct SessionView {
    id: String,
    device: String,
    started: Timestamp,
    seen: Timestamp,
    this: bool,
}

impl View for SessionsView {
    const TEMPLATE: &'static str = "sessions";
}

impl SessionsView {
    /// Shows the user's sessions, `own` first; that one alone where they cannot be `listed`.
    pub(super) fn new(own: &Session, listed: Option<Vec<SessionSummary>>) -> Self {
        let all = listed.is_some();
        let mut others = listed.unwrap_or_default();
        others.retain(|session| session.id != own.id);
        let others = others.into_iter().map(|session| SessionView::new(session, false));
        let own = SessionView::new(own.summary(), true);
        Self { sessions: std::iter::once(own).chain(others).collect(), all }
    }
}

impl SessionView {
    fn new(session: SessionSummary, this: bool) -> Self {
        let SessionSummary { id, device, started_at, seen_at } = session;
        Self { id: id.to_string(), device, started: started_at.into(), seen: seen_at.into(), this }
    }
}

#[cfg(test)]
mod tests {
    use portico_contracts::fixtures;
    use portico_domain::model::SessionId;

    use super::*;

    #[test]
    fn marks_current_session_and_lists_it_first() {
        let own = fixtures::session();
        let mut other = own.summary();
        other.id = SessionId::new([9; 32]);
        let view = SessionsView::new(&own, Some(vec![other.clone(), own.summary()]));
        let shown: Vec<_> = view.sessions.iter().map(|one| (one.this, one.id.clone())).collect();
        assert_eq!(shown, [(true, own.id.to_string()), (false, other.id.to_string())]);
        assert!(view.all);
    }

    #[test]
    fn shows_current_session_if_store_cannot_list() {
        let view = SessionsView::new(&fixtures::session(), None);
        assert!(!view.all && view.sessions.len() == 1 && view.sessions[0].this);
    }
}
