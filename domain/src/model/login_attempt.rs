//! One walk to the provider and back.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{AuthorizationCode, AuthorizationParameters, CodeVerifier, NextPage, Nonce, State};

/// What must be remembered between sending a browser to the provider and its coming back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginAttempt {
    /// Finds the attempt again when the browser comes back.
    pub state: State,
    /// Must be in the ID token.
    pub nonce: Nonce,
    /// Its SHA-256 hash went out as the `code_challenge`; it goes along with the code.
    pub code_verifier: CodeVerifier,
    /// Where the person wanted to go.
    pub next: NextPage,
    /// What was asked of the provider beside the login itself; the answer is held against it.
    pub requested: AuthorizationParameters,
    /// When the browser was sent away.
    #[serde(with = "chrono::serde::ts_seconds")]
    pub started_at: DateTime<Utc>,
}

impl LoginAttempt {
    /// How long a person may take at the provider.
    pub const LIFETIME: TimeDelta = TimeDelta::minutes(10);

    /// How many attempts one browser may have open; the oldest makes room.
    pub const MAX_OPEN: usize = 5;

    /// True from ten minutes after the start.
    pub fn has_expired(&self, now: DateTime<Utc>) -> bool {
        now - self.started_at >= Self::LIFETIME
    }
}

/// Which page of the provider the person asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// The one to sign in.
    LogIn,
    /// The one to make an account: `screen_hint=signup`, and `prompt=create` where the provider
    /// lists it (Initiating User Registration via OpenID Connect, section 4).
    SignUp,
}

/// What the browser brings back from the provider (RFC 6749, section 4.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// The attempt that this answers.
    pub state: State,
    /// A code to redeem, or the provider's refusal.
    pub outcome: Result<AuthorizationResponse, ProviderRefusal>,
}

/// A successful answer of the authorization endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationResponse {
    /// To be redeemed at the token endpoint.
    pub code: AuthorizationCode,
    /// Who says that it answers (RFC 9207, section 2); `None` where it does not say.
    pub issuer: Option<String>,
}

/// An error answer of the authorization endpoint (RFC 6749, section 4.1.2.1; OpenID Connect
/// Core, section 3.1.2.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderRefusal {
    /// The error code, such as `access_denied`.
    pub error: String,
    /// The provider's words, meant for developers; foreign text, to be escaped where shown.
    pub description: Option<String>,
    /// Who says that it answers (RFC 9207, section 2); `None` where it does not say.
    pub issuer: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_lasts_ten_minutes() {
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
