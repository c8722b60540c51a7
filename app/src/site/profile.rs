use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use portico_domain::{
    model::{Profile, Session, SessionId, User},
    ports::UserRepository,
};
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
    let record = records.of(&user, &*ports.users, ports.clock.now()).await;
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
    async fn of(
        &self,
        session: &Session,
        users: &dyn UserRepository,
        now: DateTime<Utc>,
    ) -> Option<User> {
        let is_recent =
            |read: &DateTime<Utc>| (TimeDelta::zero()..Self::MAX_AGE).contains(&(now - *read));
        if let Some((read, user)) = self.locked().get(&session.id)
            && is_recent(read)
        {
            return Some(user.clone());
        }
        let found = users.find(session.subject()).await.unwrap_or_else(|cause| {
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
    use portico_domain::{model::Claims, ports::MockUserRepository};

    use super::*;

    fn user_with(logins: i64) -> User {
        let (subject, time) = (fixtures::session().subject().clone(), DateTime::UNIX_EPOCH);
        let profile = fixtures::identity().profile();
        let permissions = None;
        User { subject, profile, permissions, first_seen: time, last_login: time, logins }
    }

    fn numbered(session: usize) -> Session {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&session.to_le_bytes());
        Session { id: SessionId::new(id), ..fixtures::session() }
    }

    #[tokio::test]
    async fn record_is_read_again_after_five_seconds_and_in_another_session() {
        let mut users = MockUserRepository::new();
        let mut reads = 0;
        users.expect_find().times(3).returning(move |_| {
            reads += 1;
            Ok(Some(user_with(reads)))
        });
        let (records, start) = (Records::default(), DateTime::<Utc>::UNIX_EPOCH);
        let mut logins = Vec::new();
        for (session, seconds) in [(1, 0), (1, 4), (2, 4), (1, 5), (2, 8)] {
            let now = start + TimeDelta::seconds(seconds);
            let found = records.of(&numbered(session), &users, now).await;
            logins.push(found.unwrap().logins);
        }
        assert_eq!(logins, [1, 1, 2, 3, 2]);
    }

    #[tokio::test]
    async fn records_do_not_grow_beyond_their_limit() {
        let mut users = MockUserRepository::new();
        users.expect_find().returning(|_| Ok(Some(user_with(1))));
        let (records, start) = (Records::default(), DateTime::<Utc>::UNIX_EPOCH);
        for session in 0..Records::MAX_RECORDS + 100 {
            assert!(records.of(&numbered(session), &users, start).await.is_some());
        }
        assert_eq!(records.locked().len(), Records::MAX_RECORDS);
        let later = start + Records::MAX_AGE;
        assert!(records.of(&numbered(0), &users, later).await.is_some());
        assert_eq!(records.locked().len(), 1, "old records make room");
    }

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
