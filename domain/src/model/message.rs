//! What the messages API has to say.

/// A message, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Plain text of the API; to be escaped where shown.
    pub text: String,
}

/// Which message is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// For everybody.
    Public,
    /// For people who are signed in.
    Protected,
    /// For people with the permission `read:admin-messages`.
    Admin,
}

impl Topic {
    /// The last segment of the API's path, `/api/messages/…`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Protected => "protected",
            Self::Admin => "admin",
        }
    }
}
