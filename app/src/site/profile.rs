use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use portico_domain::model::{Profile, Session, SessionId, User};
use rocket::{State, get};
use serde::Serialize;

use super::code::{self, CodePart};
use crate::{
    Ports,
    sign_in::guards::LoginRequired,
    web::{Page, Timestamp, View},
};

/// The user's own profile.
#[get("/profile")]
pub(super) async fn profile<'r>(
    user: LoginRequired<'r>,
    ports: &State<Ports>,
    records: &State<Records>,
) -> Page<'r, ProfileView> {
    // The session has everything but the dates: without the record the page is still useful.
    let record = records.of(&user, ports).await;
    Page::new(user, ProfileView::new(&user, record))
}

/// The records of users whose profile was shown in the last seconds, by session.
///
/// A new log-in has a new session, so that the dates of its page are current; in another session they
/// are at most [`Records::MAX_AGE`] old.
#[derive(Default)]
pub(crate) struct Records(Mutex<HashMap<SessionId, (DateTime<Utc>, User)>>);

impl Records {
    const MAX_AGE: TimeDelta = TimeDelta::seconds(5);
    const MAX_RECORDS: usize = 10_000;

    /// `None` where the user has no record, or where it cannot be read.
    async fn of(&self, session: &Session, ports: &Ports) -> Option<User> {
        let now = ports.clock.now();
        let is_recent =
            |read: &DateTime<Utc>| (TimeDelta::zero()..Self::MAX_AGE).contains(&(now - *read));
        if let Some((read, user)) = self.locked().get(&session.id)
            && is_recent(read)
        {
            return Some(user.clone());
        }
        let found = ports.users.find(session.subject()).await.unwrap_or_else(|cause| {
            log::warn!("failed to read user for the profile page: {cause}");
            None
        })?;
        let mut records = self.locked();
        if records.len() >= Self::MAX_RECORDS {
            records.retain(|_, (read, _)| is_recent(read));
        }
        if records.len() < Self::MAX_RECORDS {
            records.insert(session.id, (now, found.clone()));
        }
        Some(found)
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<SessionId, (DateTime<Utc>, User)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The user's profile.
#[derive(Debug, Serialize)]
pub(super) struct ProfileView {
    picture: Option<String>,
    initials: String,
    name: String,
    email: Option<String>,
    email_verified: Option<bool>,
    record: Option<RecordView>,
    /// What the ID token states.
    claims: Vec<CodePart>,
    /// What userinfo alone states; `None` where that is nothing.
    userinfo: Option<Vec<CodePart>>,
}

/// The user's record.
#[derive(Debug, Serialize)]
struct RecordView {
    first_seen: Timestamp,
    last_login: Timestamp,
    logins: i64,
}

impl View for ProfileView {
    const TEMPLATE: &'static str = "profile";
}

impl ProfileView {
    /// Shows the user of the session, with the record where it is available.
    fn new(session: &Session, user: Option<User>) -> Self {
        let name = session.identity.display_name();
        let Profile { picture, email, email_verified, .. } = session.identity.profile();
        let initials = initials(&name);
        let record = user.map(|user| RecordView {
            first_seen: user.first_seen.into(),
            last_login: user.last_login.into(),
            logins: user.logins,
        });
        let (id_token, userinfo) = session.identity.claims.by_source();
        let claims = code::json(&id_token);
        let userinfo = (!userinfo.is_empty()).then(|| code::json(&userinfo));
        Self { picture, initials, name, email, email_verified, record, claims, userinfo }
    }
}

/// At most two letters, shown where there is no picture.
fn initials(name: &str) -> String {
    let mut words = name.split_whitespace().filter_map(|word| word.chars().next());
    let first = words.next();
    first.into_iter().chain(words.next_back()).flat_map(char::to_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use portico_contracts::fixtures;
    use portico_domain::model::Claims;

    use super::{ProfileView, initials};

    #[test]
    fn profile_shows_subject_if_provider_sends_no_name() {
        let mut session = fixtures::session();
        session.identity.claims = Claims::new(&serde_json::Map::new());
        let view = ProfileView::new(&session, None);
        assert_eq!(view.name, session.subject().subject);
    }

    #[test]
    fn initials_come_from_first_and_last_name() {
        assert_eq!(initials("ada King lovelace"), "AL");
        assert_eq!(initials("jo@example.com"), "J");
        assert_eq!(initials("ß"), "SS");
        assert_eq!(initials(" "), "");
    }
}
