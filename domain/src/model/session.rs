//! Sessions.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{
    AccessToken, Claims, IdToken, Identity, Permission, Permissions, RefreshToken, Subject,
};

/// Identifies a session when it is listed or ended. It grants no access: the browser holds another
/// value. As text it is 22 characters of base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// The first 128 of 256 random bits.
    pub fn new(random: [u8; 32]) -> Self {
        let mut id = [0; 16];
        id.copy_from_slice(&random[..16]);
        Self(id)
    }

    /// The 128 bits.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// The text is no session id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a session id")]
pub struct InvalidSessionId;

impl FromStr for SessionId {
    type Err = InvalidSessionId;

    fn from_str(text: &str) -> Result<Self, InvalidSessionId> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidSessionId)?;
        bytes.try_into().map(Self).map_err(|_| InvalidSessionId)
    }
}

/// The session of a visitor who is logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Unique to this session.
    pub id: SessionId,
    /// Browser and system where the user logged in, for display: `Firefox on Linux`.
    pub device: String,
    /// Who is logged in.
    pub identity: Identity,
    /// When the session started, to the millisecond: a revocation of all earlier sessions must not
    /// end one that starts right after it.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub started_at: DateTime<Utc>,
    /// When the user last made a request, to about a minute.
    #[serde(with = "chrono::serde::ts_seconds")]
    pub seen_at: DateTime<Utc>,
}

/// The answer of the token endpoint (OpenID Connect Core, section 3.1.3.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// The verified ID token, as the hint for log-out at the provider. `None` where the session
    /// store had no room for it.
    pub id_token: Option<IdToken>,
    /// For the messages API and userinfo.
    pub access_token: AccessToken,
    /// When the access token was issued to us.
    #[serde(with = "chrono::serde::ts_seconds")]
    pub access_token_issued_at: DateTime<Utc>,
    /// When the access token expires; `None` where the provider does not say.
    #[serde(with = "chrono::serde::ts_seconds_option")]
    pub access_token_expires_at: Option<DateTime<Utc>>,
    /// `None` where the provider issues none.
    pub refresh_token: Option<RefreshToken>,
}

impl Session {
    /// Starts a session for the user who just logged in.
    pub fn new(id: SessionId, device: &str, identity: Identity, now: DateTime<Utc>) -> Self {
        Self { id, device: device.into(), identity, started_at: now, seen_at: now }
    }

    /// The user.
    pub fn subject(&self) -> &Subject {
        &self.identity.subject
    }

    /// The tokens.
    pub fn tokens(&self) -> &Tokens {
        &self.identity.tokens
    }

    /// The same session after the change.
    #[must_use]
    pub fn with(mut self, change: SessionChange) -> Self {
        match change {
            // Of two simultaneous requests, the earlier one may be recorded last.
            SessionChange::Seen(now) => self.seen_at = self.seen_at.max(now),
            SessionChange::Refreshed(RefreshedTokens { tokens, claims, permissions }) => {
                self.identity.tokens = tokens;
                if let Some(claims) = claims {
                    self.identity.claims = claims;
                }
                if let Some(permissions) = permissions {
                    self.identity.permissions = permissions;
                }
            }
        }
        self
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

    /// Whether the user has the permission, as of the log-in or the latest refresh.
    pub fn has(&self, permission: &Permission) -> bool {
        self.identity.permissions.contains(permission)
    }
}

impl Tokens {
    /// Whether the access token should be renewed before it is used: it expires within 30 seconds,
    /// or within the last third of its lifetime where that is shorter, so that a token of a few
    /// seconds is not renewed at every request. False where the provider does not say when it
    /// expires.
    pub fn renewal_is_due(&self, now: DateTime<Utc>) -> bool {
        self.access_token_expires_at.is_some_and(|end| {
            let lifetime = end - self.access_token_issued_at;
            now + (lifetime / 3).min(TimeDelta::seconds(30)) >= end
        })
    }
}

/// A change of a session. It states only what changes, so that of two simultaneous requests
/// neither reverts the other's change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionChange {
    /// The user made a request.
    Seen(DateTime<Utc>),
    /// The provider issued newer tokens.
    Refreshed(RefreshedTokens),
}

/// The result of a refresh (OpenID Connect Core, section 12.2). The user stays that of the log-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshedTokens {
    /// The newer tokens, with the earlier ID token or refresh token where the answer held none.
    pub tokens: Tokens,
    /// The claims of the session with newer ones over them; `None` where nothing is
    /// known to have changed.
    pub claims: Option<Claims>,
    /// What the user may do now; `None` where the answer does not say.
    pub permissions: Option<Permissions>,
}

/// What a list of sessions shows of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSummary {
    /// Identifies it when it is to be ended.
    pub id: SessionId,
    /// Browser and system where the user logged in.
    pub device: String,
    /// When the session started.
    pub started_at: DateTime<Utc>,
    /// When the user last made a request, to about a minute.
    pub seen_at: DateTime<Utc>,
}

/// Which sessions to end. It never covers sessions that start afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Revocation {
    /// One session of the user.
    Session {
        /// The user: nobody ends another user's session.
        subject: Subject,
        /// The session.
        id: SessionId,
    },
    /// All sessions of the user.
    User {
        /// The user.
        subject: Subject,
        /// The session that stays, if any.
        except: Option<SessionId>,
    },
    /// The sessions that were started from one session at the provider.
    ProviderSession {
        /// The provider (`iss`).
        issuer: String,
        /// The session at the provider (`sid`).
        sid: String,
        /// The user (`sub`), where the provider names one.
        subject: Option<String>,
    },
}

impl Revocation {
    /// Whether it covers this session.
    pub fn covers(&self, session: &Session) -> bool {
        let identity = &session.identity;
        match self {
            Self::Session { subject, id } => identity.subject == *subject && session.id == *id,
            Self::User { subject, except } => {
                identity.subject == *subject && *except != Some(session.id)
            }
            Self::ProviderSession { issuer, sid, subject } => {
                identity.subject.issuer == *issuer
                    && identity.provider_session_id.as_ref() == Some(sid)
                    && subject.as_ref().is_none_or(|name| identity.subject.subject == *name)
            }
        }
    }
}

/// How long sessions last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Since the last request.
    pub rolling: TimeDelta,
    /// Since the log-in.
    pub absolute: TimeDelta,
}

impl Lifetimes {
    /// When the session expires if the user makes no further request.
    pub fn expires_at(&self, session: &Session) -> DateTime<Utc> {
        (session.seen_at + self.rolling).min(session.started_at + self.absolute)
    }

    /// False from the second of its expiry, and for a session from the future: a clock that was set
    /// back must not extend a session without limit.
    pub fn allow(&self, session: &Session, now: DateTime<Utc>) -> bool {
        now < self.expires_at(session) && session.seen_at <= now + TimeDelta::minutes(5)
    }

    /// Whether this request should be recorded as a visit: at most once a minute, and more often
    /// only where sessions are very short.
    pub fn visit_is_due(&self, session: &Session, now: DateTime<Utc>) -> bool {
        now - session.seen_at >= (self.rolling / 10).min(TimeDelta::minutes(1))
    }
}
