//! People, as the provider tells of them and as Portico remembers them.

use chrono::{DateTime, Utc};

use super::{Claims, Permission, Profile, Tokens};

/// Who signed in, as the provider told it and the adapter verified it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The provider, verbatim (`iss`).
    pub issuer: String,
    /// The person at that provider, verbatim (`sub`); never empty.
    pub subject: String,
    /// The standard claims.
    pub profile: Profile,
    /// All claims: those of the ID token, with userinfo's over them.
    pub claims: Claims,
    /// What the person may do, as far as the provider tells the site; often nothing.
    pub permissions: Vec<Permission>,
    /// What the token endpoint handed out.
    pub tokens: Tokens,
    /// The session at the provider (`sid`); `None` where it does not say.
    pub provider_session_id: Option<String>,
}

/// What is remembered of a person: one record per issuer and subject, both unmodified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The provider, verbatim.
    pub issuer: String,
    /// The person at that provider, verbatim.
    pub subject: String,
    /// As of the last login.
    pub profile: Profile,
    /// The first login, to the second.
    pub first_seen: DateTime<Utc>,
    /// The latest login, to the second.
    pub last_login: DateTime<Utc>,
    /// How often the person signed in, this time included.
    pub logins: i64,
}
