//! What pages show: one struct a template, and [`Page`], which puts it into the site's layout.

mod code;
mod failure;
mod moment;
mod page;
mod sessions;

use portico_domain::model::{Profile, Session, User};
use serde::Serialize;

pub use code::CodePart;
pub use failure::Failure;
pub use moment::Moment;
pub use page::{NoBody, Page, SeeOther, Tab, View};
pub use sessions::SessionsView;

/// The front page.
#[derive(Debug, Serialize)]
pub struct HomeView {}

impl View for HomeView {
    const TEMPLATE: &'static str = "home";
}

/// How the site works.
#[derive(Debug, Serialize)]
pub struct DocsView {}

impl View for DocsView {
    const TEMPLATE: &'static str = "docs";
}

/// The user's profile.
#[derive(Debug, Serialize)]
pub struct ProfileView {
    picture: Option<String>,
    initials: String,
    name: String,
    email: Option<String>,
    email_verified: Option<bool>,
    record: Option<RecordView>,
    claims: Vec<CodePart>,
}

/// The user's record.
#[derive(Debug, Serialize)]
struct RecordView {
    first_seen: Moment,
    last_login: Moment,
    logins: i64,
}

impl View for ProfileView {
    const TEMPLATE: &'static str = "profile";
    const TAB: Option<Tab> = Some(Tab::Profile);
}

impl ProfileView {
    /// Shows the user of the session, with the record where it is available.
    pub fn new(session: &Session, user: Option<User>) -> Self {
        let name = session.identity.display_name();
        let Profile { picture, email, email_verified, .. } = session.identity.profile();
        let initials = initials(&name);
        let record = user.map(|user| RecordView {
            first_seen: user.first_seen.into(),
            last_login: user.last_login.into(),
            logins: user.logins,
        });
        let claims = code::json(&session.identity.claims.to_map());
        Self { picture, initials, name, email, email_verified, record, claims }
    }
}

/// At most two letters that stand in for a picture.
fn initials(name: &str) -> String {
    let mut words = name.split_whitespace().filter_map(|word| word.chars().next());
    let first = words.next();
    first.into_iter().chain(words.next_back()).flat_map(char::to_uppercase).collect()
}

/// A message of the API, or its refusal.
#[derive(Debug, Serialize)]
pub struct MessageView {
    /// The page's heading.
    pub heading: &'static str,
    /// Who may read this message.
    pub intro: &'static str,
    /// The message; `None` where it was refused.
    pub message: Option<String>,
    /// The refusal; `None` where there is a message.
    pub refusal: Option<RefusalView>,
}

/// Why the API refused the request.
#[derive(Debug, Serialize)]
pub struct RefusalView {
    /// The API's status.
    pub status: u16,
    /// The API's text.
    pub text: String,
    /// What that means for the user.
    pub explanation: &'static str,
    /// The permission that the user lacks; `None` where the refusal has another reason.
    pub missing: Option<&'static str>,
}

/// Asks whether to log out.
#[derive(Debug, Serialize)]
pub struct LogOutConfirmView {}

impl View for LogOutConfirmView {
    const TEMPLATE: &'static str = "log_out_confirm";
}

/// Says that the user is logged out here, and perhaps not at the provider.
#[derive(Debug, Serialize)]
pub struct LoggedOutView {
    /// What happened.
    pub what: &'static str,
    /// What the user can do.
    pub todo: &'static str,
}

impl View for LoggedOutView {
    const TEMPLATE: &'static str = "logged_out";
}

#[cfg(test)]
mod tests {
    use portico_contracts::fixtures;
    use portico_domain::model::Claims;

    use super::{ProfileView, initials};

    #[test]
    fn profile_shows_subject_where_the_provider_sends_no_name() {
        let mut session = fixtures::session();
        session.identity.claims = Claims::new(&serde_json::Map::new());
        let view = ProfileView::new(&session, None);
        assert_eq!(view.name, session.subject().subject);
    }

    #[test]
    fn initials_are_those_of_the_first_and_last_name() {
        assert_eq!(initials("ada King lovelace"), "AL");
        assert_eq!(initials("jo@example.com"), "J");
        assert_eq!(initials("ß"), "SS");
        assert_eq!(initials(" "), "");
    }
}
