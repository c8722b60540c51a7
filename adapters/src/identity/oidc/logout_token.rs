//! Whether a logout token is to be believed (OpenID Connect Back-Channel Logout, section 2.6).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use openidconnect::{JsonWebKey, core::CoreJsonWebKey, core::CoreJwsSigningAlgorithm};
use portico_domain::model::{LogoutToken, Whose};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    fault::quoted,
    id_token::{LEEWAY, Refusal, rule},
    metadata::Metadata,
};

/// The member of `events` that makes a token one of back-channel log-out (section 2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// Seconds after which a logout token is too old: ten minutes, for a provider that tries again.
const OLD: i64 = 600;
/// Bytes of the longest token that is looked at.
const LONGEST: usize = 16 * 1024;

#[derive(Deserialize)]
struct Header {
    alg: CoreJwsSigningAlgorithm,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

/// What a logout token is measured by.
pub(super) struct Expected<'a> {
    pub(super) metadata: &'a Metadata,
    pub(super) client_id: &'a str,
    pub(super) now: DateTime<Utc>,
}

impl Expected<'_> {
    /// The verified token. Its signature comes first: nothing that it says is looked at before.
    pub(super) fn verify(
        &self,
        token: &str,
        keys: &[CoreJsonWebKey],
    ) -> Result<LogoutToken, Refusal> {
        if token.len() > LONGEST {
            return rule("it is too long");
        }
        let Some((signed, signature)) = token.rsplit_once('.') else { return rule("it is no JWS") };
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let (Some((header, claims)), Some(signature)) = (signed.split_once('.'), decode(signature))
        else {
            return rule("it is no JWS");
        };
        let header: Header = match decode(header).and_then(|it| serde_json::from_slice(&it).ok()) {
            Some(header) => header,
            None => return rule("its header is not understood"),
        };
        self.check_header(&header)?;
        let fits = |key: &&CoreJsonWebKey| match (&header.kid, key.key_id()) {
            (Some(wanted), Some(kid)) => kid.as_str() == wanted,
            // A key without a name may be any, and so may that of a token without one.
            _ => true,
        };
        let verified = keys
            .iter()
            .filter(fits)
            .any(|key| key.verify_signature(&header.alg, signed.as_bytes(), &signature).is_ok());
        if !verified {
            return Err(Refusal::Key);
        }
        match decode(claims).and_then(|claims| serde_json::from_slice(&claims).ok()) {
            Some(claims) => self.read(&claims),
            None => rule("its claims are no JSON object"),
        }
    }

    fn check_header(&self, header: &Header) -> Result<(), Refusal> {
        if !self.metadata.algorithms.contains(&header.alg) {
            return rule(format!("the algorithm {:?} is not allowed", header.alg));
        }
        if header.crit.is_some() {
            // RFC 7515, section 4.1.11.
            return rule("it has critical headers that are not understood");
        }
        // A media type, with or without its first half (RFC 7515, section 4.1.9).
        let typ = header.typ.as_deref().map(str::to_ascii_lowercase);
        let typ = typ.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ));
        match typ {
            None | Some("jwt" | "logout+jwt") => Ok(()),
            Some(other) => rule(format!("it is of another type: {}", quoted(other))),
        }
    }

    fn read(&self, claims: &Map<String, Value>) -> Result<LogoutToken, Refusal> {
        if claims.get("iss").and_then(Value::as_str) != Some(&*self.metadata.issuer) {
            return rule("it is of another issuer");
        }
        let is_ours = |audience: &Value| audience.as_str() == Some(self.client_id);
        match claims.get("aud") {
            Some(Value::Array(all)) if all.iter().any(is_ours) => {}
            Some(one) if is_ours(one) => {}
            _ => return rule("it is meant for somebody else"),
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
            Some(events) if events.get(EVENT).is_some_and(Value::is_object) => {}
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
        let whose = match (text("sid")?, text("sub")?) {
            (Some(sid), subject) => Whose::ProviderSession { sid, subject },
            (None, Some(subject)) => Whose::Person(subject),
            (None, None) => return rule("it names neither a session nor a person"),
        };
        Ok(LogoutToken { issuer: self.metadata.issuer.clone(), id, whose })
    }
}

/// Seconds since the epoch, which may have a fraction (RFC 7519, section 2).
fn seconds(value: &Value) -> Option<i64> {
    #[allow(clippy::cast_possible_truncation, reason = "a float becomes the nearest integer")]
    value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
}
