//! Sessions at the provider, which spare the user the form at the next log-in.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};

use super::accounts::Account;

/// The session of one browser at the provider.
#[derive(Clone)]
pub(crate) struct ProviderSession {
    pub(crate) account: Arc<Account>,
    /// When the user entered the password: the claim `auth_time`.
    pub(crate) authenticated_at: DateTime<Utc>,
    /// The claim `sid`. It is public, unlike the id in the cookie.
    pub(crate) sid: String,
}

/// All sessions, by the secret id that the browser holds.
#[derive(Default)]
pub(crate) struct ProviderSessions(Mutex<HashMap<String, ProviderSession>>);

impl ProviderSessions {
    /// The session with this id; `None` if there is none.
    pub(crate) fn get(&self, id: &str) -> Option<ProviderSession> {
        self.lock().get(id).cloned()
    }

    /// Starts a session under a new id.
    pub(crate) fn start(&self, id: String, session: ProviderSession) {
        self.lock().insert(id, session);
    }

    /// Ends the session with this id, if there is one.
    pub(crate) fn end(&self, id: &str) {
        self.lock().remove(id);
    }

    /// Ends the session with this `sid`, if there is one.
    pub(crate) fn end_by_sid(&self, sid: &str) {
        self.lock().retain(|_, session| session.sid != sid);
    }

    /// Ends all sessions and returns them.
    pub(crate) fn end_all(&self) -> Vec<ProviderSession> {
        self.lock().drain().map(|(_, session)| session).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, ProviderSession>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
