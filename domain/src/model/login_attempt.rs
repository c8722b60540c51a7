//! Log-in attempts and the provider's answers to them.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{AuthorizationCode, AuthorizationParameters, CodeVerifier, NextPage, Nonce, State};

/// What is remembered between the authorization request and its response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginAttempt {
    /// Identifies the attempt in the response (RFC 6749, section 4.1.1).
    pub state: State,
    /// Must be in the ID token (OpenID Connect Core, section 3.1.2.1).
    pub nonce: Nonce,
    /// Its SHA-256 hash is the `code_challenge`; it is sent with the code (RFC 7636).
    pub code_verifier: CodeVerifier,
    /// The page to go to after the log-in.
    pub next: NextPage,
    /// Further parameters of the request; the answer is checked against them.
    pub requested: AuthorizationParameters,
    /// When the attempt began.
    #[serde(with = "chrono::serde::ts_seconds")]
    pub started_at: DateTime<Utc>,
}

impl LoginAttempt {
    /// How long a log-in may take.
    pub const LIFETIME: TimeDelta = TimeDelta::minutes(10);

    /// How long an attempt is remembered: longer than it is accepted, so that the visitor can be told
    /// that it has expired.
    pub const RETENTION: TimeDelta = TimeDelta::hours(1);

    /// Number of attempts that one browser may have open; the oldest makes room. A restored browser
    /// window may begin one in each tab.
    pub const MAX_OPEN: usize = 20;

    /// Whether [`Self::LIFETIME`] has passed.
    pub fn has_expired(&self, now: DateTime<Utc>) -> bool {
        now - self.started_at >= Self::LIFETIME
    }
}

/// Which page of the provider to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// The log-in page.
    LogIn,
    /// The sign-up page (`prompt=create`; Initiating User Registration via OpenID Connect, section
    /// 4), in whatever way the provider offers it.
    SignUp,
}

/// The authorization response (RFC 6749, section 4.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// The attempt that it answers.
    pub state: State,
    /// A code to redeem, or the provider's error.
    pub outcome: Result<AuthorizationResponse, ProviderRefusal>,
}

/// A successful authorization response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationResponse {
    /// To be redeemed at the token endpoint.
    pub code: AuthorizationCode,
    /// The issuer that the response names (RFC 9207, section 2); `None` where it names none.
    pub issuer: Option<String>,
}

/// An error response of the authorization endpoint (RFC 6749, section 4.1.2.1; OpenID Connect
/// Core, section 3.1.2.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderRefusal {
    /// The error code, such as `access_denied`.
    pub error: String,
    /// The provider's explanation for developers; untrusted text.
    pub description: Option<String>,
    /// The issuer that the response names (RFC 9207, section 2); `None` where it names none.
    pub issuer: Option<String>,
}

/// For the log: each text is quoted, without control characters, and cut after 400 characters.
impl fmt::Display for ProviderRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = |text: &str| {
            let text = text.chars().filter(|letter| !letter.is_control());
            text.take(MAX_LOGGED_CHARS).collect::<String>()
        };
        write!(f, "{:?}", start(&self.error))?;
        match &self.description {
            Some(description) => write!(f, ": {:?}", start(description)),
            None => Ok(()),
        }
    }
}

/// Number of characters of a provider's text that the log shows.
const MAX_LOGGED_CHARS: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_is_logged_with_its_description_in_bounded_length() {
        let refusal = |description: Option<&str>| ProviderRefusal {
            error: "access_denied".into(),
            description: description.map(Into::into),
            issuer: None,
        };
        assert_eq!(refusal(None).to_string(), r#""access_denied""#);
        let text = refusal(Some("not a\nmember")).to_string();
        assert_eq!(text, r#""access_denied": "not amember""#);
        let long = refusal(Some(&"ä".repeat(5_000))).to_string();
        assert_eq!(long.matches('ä').count(), MAX_LOGGED_CHARS);
    }

    #[test]
    fn attempt_expires_after_ten_minutes() {
        let start = DateTime::UNIX_EPOCH;
        let attempt = LoginAttempt {
            state: State::new("s"),
            nonce: Nonce::new("n"),
            code_verifier: CodeVerifier::new("v"),
            next: NextPage::profile(),
            requested: AuthorizationParameters::default(),
            started_at: start,
        };
        assert!(!attempt.has_expired(start + TimeDelta::seconds(599)));
        assert!(attempt.has_expired(start + TimeDelta::seconds(600)));
    }
}
