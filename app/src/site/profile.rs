use portico_domain::model::{Profile, Session, User};
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
) -> Page<'r, ProfileView> {
    // The session has everything but the dates: without the record the page is still useful.
    let record = ports.users.find(user.subject()).await.unwrap_or_else(|cause| {
        log::warn!("failed to read user for the profile page: {cause}");
        None
    });
    Page::new(user, ProfileView::new(&user, record))
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
