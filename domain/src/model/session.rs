//! A person's being signed in.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{AccessToken, Claims, IdToken, Identity, Permission, Profile, RefreshToken};

/// What Portico knows of a signed-in visitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The provider, verbatim.
    pub issuer: String,
    /// The person at that provider, verbatim.
    pub subject: String,
    /// The standard claims.
    pub profile: Profile,
    /// All claims.
    pub claims: Claims,
    /// What the person may do, as the provider told at the login.
    pub permissions: Vec<Permission>,
    /// What the token endpoint handed out.
    pub tokens: Tokens,
    /// The session at the provider (`sid`); `None` where it does not say.
    pub provider_session: Option<String>,
    /// When the person signed in.
    #[serde(with = "chrono::serde::ts_seconds")]
    pub started_at: DateTime<Utc>,
    /// When the person was last here, give or take a minute.
    #[serde(with = "chrono::serde::ts_seconds")]
    pub seen_at: DateTime<Utc>,
}

/// What the token endpoint handed out (OpenID Connect Core, section 3.1.3.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Verified when it came; kept as the hint for logging out.
    pub id_token: IdToken,
    /// For the messages API and userinfo.
    pub access_token: AccessToken,
    /// When the access token ends; `None` where the provider does not say.
    #[serde(with = "chrono::serde::ts_seconds_option")]
    pub access_token_expires_at: Option<DateTime<Utc>>,
    /// Only with the scope `offline_access`.
    pub refresh_token: Option<RefreshToken>,
}

impl Session {
    /// Begins a session for the person who just signed in.
    pub fn new(identity: Identity, now: DateTime<Utc>) -> Self {
        Self {
            issuer: identity.issuer,
            subject: identity.subject,
            profile: identity.profile,
            claims: identity.claims,
            permissions: identity.permissions,
            tokens: identity.tokens,
            provider_session: identity.provider_session,
            started_at: now,
            seen_at: now,
        }
    }

    /// The same session, seen now.
    #[must_use]
    pub fn seen(self, now: DateTime<Utc>) -> Self {
        Self { seen_at: now, ..self }
    }

    /// Whether the person has the permission, as of the login.
    pub fn has(&self, permission: &Permission) -> bool {
        self.permissions.contains(permission)
    }
}

/// How long sessions last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Without a visit.
    pub rolling: TimeDelta,
    /// In all.
    pub absolute: TimeDelta,
}

impl Lifetimes {
    /// When the session ends if the person does not come back.
    pub fn end_of(&self, session: &Session) -> DateTime<Utc> {
        (session.seen_at + self.rolling).min(session.started_at + self.absolute)
    }

    /// False from the very second of its end, and for a session from the future: a clock that was
    /// set back must not make a session eternal.
    pub fn allow(&self, session: &Session, now: DateTime<Utc>) -> bool {
        now < self.end_of(session) && session.seen_at <= now + TimeDelta::minutes(5)
    }

    /// Whether it is time to note that the person was here: at most once a minute, and more often
    /// only where sessions are very short.
    pub fn call_for_renewal(&self, session: &Session, now: DateTime<Utc>) -> bool {
        now - session.seen_at >= (self.rolling / 10).min(TimeDelta::minutes(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    const LIFETIMES: Lifetimes =
        Lifetimes { rolling: TimeDelta::seconds(100), absolute: TimeDelta::seconds(250) };

    #[test]
    fn a_session_ends_when_nobody_comes_or_when_it_is_old() {
        let start = DateTime::UNIX_EPOCH;
        let at = |seconds| start + TimeDelta::seconds(seconds);
        let session = Session::new(testing::identity(), start);

        assert!(LIFETIMES.allow(&session, at(99)));
        assert!(!LIFETIMES.allow(&session, at(100)));

        let session = session.seen(at(200));
        assert!(LIFETIMES.allow(&session, at(249)));
        assert!(!LIFETIMES.allow(&session, at(250)));
    }

    #[test]
    fn a_session_from_the_future_is_refused() {
        let session = Session::new(testing::identity(), DateTime::UNIX_EPOCH + TimeDelta::hours(1));
        assert!(!LIFETIMES.allow(&session, DateTime::UNIX_EPOCH));
    }

    #[test]
    fn a_visit_is_noted_once_in_a_while() {
        let session = Session::new(testing::identity(), DateTime::UNIX_EPOCH);
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        assert!(!LIFETIMES.call_for_renewal(&session, at(9)));
        assert!(LIFETIMES.call_for_renewal(&session, at(10)));
    }

    #[test]
    fn a_person_has_the_permissions_that_were_told_and_no_others() {
        let session = Session::new(testing::identity(), DateTime::UNIX_EPOCH);
        assert!(session.has(&Permission::new("read:messages")));
        assert!(!session.has(&Permission::new("read:admin-messages")));
        assert!(!session.has(&Permission::new("read")));
    }
}
