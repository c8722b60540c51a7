//! Users, as the provider describes them and as the site keeps them.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Claims, Permissions, Profile, Tokens};

/// Tolerance for the difference between our clock and the provider's, for every time that a
/// provider states. One value for the verification at the callback and for the guard of pages that
/// need a recent log-in: with two, a browser would be sent back and forth between them.
pub const CLOCK_LEEWAY: TimeDelta = TimeDelta::seconds(60);

/// A user at a provider: `iss` and `sub`, both verbatim (OpenID Connect Core, section 2). Only the
/// pair is unique (section 5.7).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// The provider (`iss`).
    pub issuer: String,
    /// The user at that provider (`sub`); never empty.
    pub subject: String,
}

impl Subject {
    /// The user with this `sub` at this `iss`.
    pub fn new(issuer: impl Into<String>, subject: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), subject: subject.into() }
    }
}

/// The user who logged in, as the provider states and the adapter verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The user.
    pub subject: Subject,
    /// All claims: those of the ID token, with userinfo's added.
    pub claims: Claims,
    /// What the user may do, as far as the provider states it; often empty.
    pub permissions: Permissions,
    /// The answer of the token endpoint.
    pub tokens: Tokens,
    /// The session at the provider (`sid`); `None` where it does not say.
    pub provider_session_id: Option<String>,
}

impl Identity {
    /// The standard claims.
    pub fn profile(&self) -> Profile {
        let picked = Profile::CLAIMS.into_iter().zip(self.claims.pick(Profile::CLAIMS));
        let stated = picked.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Profile::from_claims(&stated.collect())
    }

    /// What to call the user: the claim `name`, else `preferred_username`, `nickname` or `email`, else
    /// the subject.
    pub fn display_name(&self) -> String {
        let names = self.claims.pick(["name", "preferred_username", "nickname", "email"]);
        let mut texts = names.iter().flatten().filter_map(Value::as_str).map(str::trim);
        texts.find(|text| !text.is_empty()).unwrap_or(&self.subject.subject).to_owned()
    }

    /// When the user last authenticated at the provider (`auth_time`). `None` where it does not
    /// say, or says it in another form than a number of seconds.
    pub fn authenticated_at(&self) -> Option<DateTime<Utc>> {
        let [time] = self.claims.pick(["auth_time"]);
        let seconds = time?.as_f64()?;
        #[allow(clippy::cast_possible_truncation, reason = "milliseconds are precise enough")]
        DateTime::from_timestamp_millis((seconds * 1_000.0) as i64)
    }

    /// Whether the user authenticated at the provider within this time, give or take
    /// [`CLOCK_LEEWAY`]. False where the provider does not say when.
    pub fn authenticated_within(&self, max_age: TimeDelta, now: DateTime<Utc>) -> bool {
        self.authenticated_at().is_some_and(|at| now - at <= max_age + CLOCK_LEEWAY)
    }
}

/// What the site keeps of a user: one record per issuer and subject, both unmodified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user at the provider.
    pub subject: Subject,
    /// As of the latest log-in.
    pub profile: Profile,
    /// As of the latest log-in, or the latest refresh that changed them. `None` where none has been
    /// recorded yet.
    pub permissions: Option<Permissions>,
    /// The first log-in, to the second.
    pub first_seen: DateTime<Utc>,
    /// The latest log-in, to the second.
    pub last_login: DateTime<Utc>,
    /// Number of log-ins, the latest included.
    pub logins: i64,
}
