//! The messages of the API.

/// A message, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Plain text; untrusted.
    pub text: String,
}

/// Which message to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// For everybody.
    Public,
    /// For users who are logged in.
    Protected,
    /// For users with the permission `read:admin-messages`.
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
