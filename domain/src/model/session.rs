//! A person's being signed in.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{AccessToken, Claims, IdToken, Identity, Permission, Profile, RefreshToken};

/// Tells a session from all others, for listing and ending it. It opens nothing: what a browser
/// holds is another value. As text it is 22 characters of base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// Of random bytes, the first 128 bits.
    pub fn new(random: [u8; 32]) -> Self {
        let mut id = [0; 16];
        id.copy_from_slice(&random[..16]);
        Self(id)
    }

    /// Its 128 bits.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// The text names no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a session")]
pub struct InvalidSessionId;

impl FromStr for SessionId {
    type Err = InvalidSessionId;

    fn from_str(text: &str) -> Result<Self, InvalidSessionId> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidSessionId)?;
        bytes.try_into().map(Self).map_err(|_| InvalidSessionId)
    }
}

/// What Portico knows of a signed-in visitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Of this session alone.
    pub id: SessionId,
    /// Where the person signed in, in words: `Firefox on Linux`.
    pub device: String,
    /// The provider, verbatim.
    pub issuer: String,
    /// The person at that provider, verbatim.
    pub subject: String,
    /// The standard claims.
    pub profile: Profile,
    /// All claims.
    pub claims: Claims,
    /// What the person may do, as the provider told at the login or since.
    pub permissions: Vec<Permission>,
    /// What the token endpoint handed out.
    pub tokens: Tokens,
    /// The session at the provider (`sid`); `None` where it does not say.
    pub provider_session_id: Option<String>,
    /// When the person signed in, to the millisecond: what ends all earlier sessions must not end
    /// one that began right after it.
    #[serde(with = "chrono::serde::ts_milliseconds")]
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
    pub fn new(id: SessionId, device: &str, identity: Identity, now: DateTime<Utc>) -> Self {
        Self {
            id,
            device: device.into(),
            issuer: identity.issuer,
            subject: identity.subject,
            profile: identity.profile,
            claims: identity.claims,
            permissions: identity.permissions,
            tokens: identity.tokens,
            provider_session_id: identity.provider_session_id,
            started_at: now,
            seen_at: now,
        }
    }

    /// The same session after the change.
    #[must_use]
    pub fn with(self, change: Change) -> Self {
        match change {
            // Of two requests at once, the one that arrived first may be noted last.
            Change::Seen(now) => Self { seen_at: self.seen_at.max(now), ..self },
            Change::RefreshedTokens(RefreshedTokens { tokens, permissions }) => {
                Self { tokens, permissions: permissions.unwrap_or(self.permissions), ..self }
            }
        }
    }

    /// What a list of sessions shows of it.
    pub fn summary(&self) -> SessionSummary {
        let Self { id, device, started_at, seen_at, .. } = self;
        SessionSummary {
            id: *id,
            device: device.clone(),
            started_at: *started_at,
            seen_at: *seen_at,
        }
    }

    /// Whether it is this person's.
    pub fn is_of(&self, issuer: &str, subject: &str) -> bool {
        self.issuer == issuer && self.subject == subject
    }

    /// Whether the person has the permission, as of the login or the latest refresh.
    pub fn has(&self, permission: &Permission) -> bool {
        self.permissions.contains(permission)
    }
}

impl Tokens {
    /// Whether the access token ends within this time. False where the provider does not say when
    /// it ends.
    pub fn expires_within(&self, time: TimeDelta, now: DateTime<Utc>) -> bool {
        self.access_token_expires_at.is_some_and(|end| end <= now + time)
    }
}

/// What may change in a session. A change says only what it changes, so that of two requests at
/// once neither undoes what the other did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The person was here.
    Seen(DateTime<Utc>),
    /// The provider handed out newer tokens.
    RefreshedTokens(RefreshedTokens),
}

/// What a refresh brought (OpenID Connect Core, section 12.2). Who the person is stays as it was
/// told at the login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshedTokens {
    /// The newer tokens, with the earlier ID token or refresh token where the answer held none.
    pub tokens: Tokens,
    /// What the person may do now; `None` where the answer does not say.
    pub permissions: Option<Vec<Permission>>,
}

/// What a list of sessions shows of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSummary {
    /// Names it when it is to be ended.
    pub id: SessionId,
    /// Where the person signed in, in words.
    pub device: String,
    /// When the person signed in.
    pub started_at: DateTime<Utc>,
    /// When the person was last there, give or take a minute.
    pub seen_at: DateTime<Utc>,
}

/// Which sessions are to end. Those that begin afterwards are not meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Revocation {
    /// One session of the person.
    Session {
        /// The provider, verbatim.
        issuer: String,
        /// The person, verbatim: nobody ends another person's session.
        subject: String,
        /// The session.
        id: SessionId,
    },
    /// All sessions of the person.
    Person {
        /// The provider, verbatim.
        issuer: String,
        /// The person, verbatim.
        subject: String,
        /// The one that stays, if any does.
        except: Option<SessionId>,
    },
    /// The sessions that came of one session at the provider.
    ProviderSession {
        /// The provider, verbatim.
        issuer: String,
        /// That session (`sid`).
        sid: String,
        /// The person, where the provider says who.
        subject: Option<String>,
    },
}

impl Revocation {
    /// Whether it means this session.
    pub fn covers(&self, session: &Session) -> bool {
        match self {
            Self::Session { issuer, subject, id } => {
                session.is_of(issuer, subject) && session.id == *id
            }
            Self::Person { issuer, subject, except } => {
                session.is_of(issuer, subject) && *except != Some(session.id)
            }
            Self::ProviderSession { issuer, sid, subject } => {
                session.issuer == *issuer
                    && session.provider_session_id.as_ref() == Some(sid)
                    && subject.as_ref().is_none_or(|subject| session.subject == *subject)
            }
        }
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
    pub fn expires_at(&self, session: &Session) -> DateTime<Utc> {
        (session.seen_at + self.rolling).min(session.started_at + self.absolute)
    }

    /// False from the very second of its end, and for a session from the future: a clock that was
    /// set back must not make a session eternal.
    pub fn allow(&self, session: &Session, now: DateTime<Utc>) -> bool {
        now < self.expires_at(session) && session.seen_at <= now + TimeDelta::minutes(5)
    }

    /// Whether it is time to note that the person was here: at most once a minute, and more often
    /// only where sessions are very short.
    pub fn visit_is_due(&self, session: &Session, now: DateTime<Utc>) -> bool {
        now - session.seen_at >= (self.rolling / 10).min(TimeDelta::minutes(1))
    }
}
