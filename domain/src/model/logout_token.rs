/// A logout token that was verified: the provider wants sessions ended (OpenID Connect Back-Channel
/// Logout, section 2.4). It names a session, a person, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutToken {
    /// Who says so (`iss`).
    pub issuer: String,
    /// The token's own name, good once (`jti`).
    pub id: String,
    /// Whose sessions end: all of them where no session is named.
    pub target: LogoutTarget,
}

/// Whom a logout token speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogoutTarget {
    /// What came of one session at the provider (`sid`), of this person (`sub`) where it says.
    ProviderSession {
        /// The claim `sid`.
        sid: String,
        /// The claim `sub`.
        subject: Option<String>,
    },
    /// All sessions of a person (`sub`).
    Person(String),
}
