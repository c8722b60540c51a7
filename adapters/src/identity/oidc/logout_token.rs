//! Whether a logout token is to be believed (OpenID Connect Back-Channel Logout, section 2.6).

use chrono::{DateTime, Utc};
use portico_domain::model::{LogoutTarget, LogoutToken};
use serde_json::{Map, Value};

use super::{
    id_token::{LEEWAY, Refusal, rule},
    jws::{self, is_for, is_of, seconds},
    keys::Key,
    metadata::Metadata,
};

/// The member of `events` that makes a token one of back-channel log-out (section 2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// Seconds after which a logout token is too old: ten minutes, for a provider that tries again.
const OLD: i64 = 600;
/// Bytes of the longest token that is looked at.
const LONGEST: usize = 16 * 1024;

/// What a logout token is measured by.
pub(super) struct Expected<'a> {
    pub(super) metadata: &'a Metadata,
    pub(super) client_id: &'a str,
    pub(super) now: DateTime<Utc>,
}

impl Expected<'_> {
    /// The verified token. Its signature comes first: nothing that it says is looked at before.
    pub(super) fn verify(&self, token: &str, keys: &[Key]) -> Result<LogoutToken, Refusal> {
        if token.len() > LONGEST {
            return rule("it is too long");
        }
        let algorithms = &self.metadata.algorithms;
        self.read(&jws::verify(token, algorithms, &["jwt", "logout+jwt"], keys)?)
    }

    fn read(&self, claims: &Map<String, Value>) -> Result<LogoutToken, Refusal> {
        if !is_of(claims, &self.metadata.issuer) {
            return rule("it is of another issuer");
        }
        if !is_for(claims, self.client_id) {
            return rule("it is meant for somebody else");
        }
        let (now, leeway) = (self.now.timestamp(), LEEWAY.num_seconds());
        match claims.get("iat").and_then(seconds) {
            Some(iat) if iat > now + leeway => return rule("it was issued in the future"),
            Some(iat) if iat < now - OLD => return rule("it was issued long ago"),
            Some(_) => {}
            None => return rule("it does not say when it was issued"),
        }
        match claims.get("exp").map(seconds) {
            None => {}
            Some(Some(exp)) if now - leeway < exp => {}
            Some(Some(_)) => return rule("it has expired"),
            Some(None) => return rule("its exp is no time"),
        }
        match claims.get("events").and_then(Value::as_object) {
            Some(events)
                if events.len() == 1 && events.get(EVENT).is_some_and(Value::is_object) => {}
            _ => return rule("it is of no log-out event"),
        }
        if claims.contains_key("nonce") {
            return rule("it has a nonce, which is how ID tokens look");
        }
        let text = |name: &str| match claims.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
            Some(_) => rule(format!("its {name} is no text")),
        };
        let Some(id) = text("jti")? else { return rule("it has no jti") };
        let target = match (text("sid")?, text("sub")?) {
            (Some(sid), subject) => LogoutTarget::ProviderSession { sid, subject },
            (None, Some(subject)) => LogoutTarget::Person(subject),
            (None, None) => return rule("it names neither a session nor a person"),
        };
        Ok(LogoutToken { issuer: self.metadata.issuer.clone(), id, target })
    }
}
