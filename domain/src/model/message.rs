//! The messages of the API.

use super::{AccessToken, Permission, Permissions};

/// A message, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Plain text; untrusted.
    pub text: String,
}

/// Which message to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// For every visitor.
    Public,
    /// For users who are logged in.
    Protected,
    /// For users with the permission `read:admin-messages`.
    Admin,
}

/// The user who reads a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// What an API on a server decides by.
    pub access_token: AccessToken,
    /// What the user may do, as of the log-in or the latest refresh: for messages of the site itself.
    pub permissions: Permissions,
}

impl Topic {
    /// The permission that a reader needs; `None` where none is needed.
    pub fn permission(self) -> Option<Permission> {
        match self {
            Self::Public | Self::Protected => None,
            Self::Admin => Some(Permission::new("read:admin-messages")),
        }
    }

    /// The last segment of the API's path, `/api/messages/…`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Protected => "protected",
            Self::Admin => "admin",
        }
    }
}
