/// A verified logout token: the provider ends sessions (OpenID Connect Back-Channel Logout, section
/// 2.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutToken {
    /// The provider (`iss`).
    pub issuer: String,
    /// Identifies the token; each is accepted once (`jti`).
    pub id: String,
    /// Which sessions end.
    pub target: LogoutTarget,
}

/// Which sessions a logout token ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogoutTarget {
    /// Those that were started from one session at the provider.
    ProviderSession {
        /// The claim `sid`.
        sid: String,
        /// The claim `sub`.
        subject: Option<String>,
    },
    /// All sessions of a user (`sub`).
    User(String),
}
