//! Rules about registered claims (RFC 7519, section 4.1) that several kinds of tokens share.

use chrono::{DateTime, Utc};
use portico_domain::model::CLOCK_LEEWAY;
use serde_json::{Map, Value};

use super::InvalidToken;

/// `iss` is the provider's issuer identifier, exactly.
pub(super) fn verify_issuer(claims: &Map<String, Value>, issuer: &str) -> Result<(), InvalidToken> {
    if claims.get("iss").and_then(Value::as_str) == Some(issuer) {
        return Ok(());
    }
    InvalidToken::rule("it has another issuer")
}

/// `aud` is or contains this client.
pub(super) fn verify_audience(
    claims: &Map<String, Value>,
    client_id: &str,
) -> Result<(), InvalidToken> {
    if audiences(claims).iter().any(|audience| audience.as_str() == Some(client_id)) {
        return Ok(());
    }
    InvalidToken::rule("this client is not in its audience")
}

/// The current time is before `exp`, where there is one.
pub(super) fn verify_expiry(
    claims: &Map<String, Value>,
    now: DateTime<Utc>,
) -> Result<(), InvalidToken> {
    match numeric_date(claims, "exp")? {
        Some(exp) if exp <= (now - CLOCK_LEEWAY).timestamp() => {
            InvalidToken::rule("it has expired")
        }
        _ => Ok(()),
    }
}

/// The time of `iat`, which must be there and not in the future.
pub(super) fn verify_issue_time(
    claims: &Map<String, Value>,
    now: DateTime<Utc>,
) -> Result<i64, InvalidToken> {
    match numeric_date(claims, "iat")? {
        None => InvalidToken::rule("it has no iat"),
        Some(iat) if iat > (now + CLOCK_LEEWAY).timestamp() => {
            let seconds = iat.saturating_sub(now.timestamp());
            InvalidToken::rule(format!(
                "it was issued {seconds} s in the future: compare the clocks"
            ))
        }
        Some(iat) => Ok(iat),
    }
}

/// The values of `aud`, which may be one value or an array.
pub(super) fn audiences(claims: &Map<String, Value>) -> &[Value] {
    match claims.get("aud") {
        None => &[],
        Some(Value::Array(all)) => all,
        Some(one) => std::slice::from_ref(one),
    }
}

/// Whole seconds since the epoch of a NumericDate, which may have a fraction (RFC 7519, section 2).
/// `None` where the claim is absent.
pub(super) fn numeric_date(
    claims: &Map<String, Value>,
    name: &str,
) -> Result<Option<i64>, InvalidToken> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    #[allow(clippy::cast_possible_truncation, reason = "drops the fraction, and saturates")]
    let seconds = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64));
    match seconds {
        Some(seconds) => Ok(Some(seconds)),
        None => InvalidToken::rule(format!("its {name} is no number")),
    }
}

/// A text that is not empty. `None` where the claim is absent.
pub(super) fn text<'c>(
    claims: &'c Map<String, Value>,
    name: &str,
) -> Result<Option<&'c str>, InvalidToken> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(Value::String(_)) => InvalidToken::rule(format!("its {name} is empty")),
        Some(_) => InvalidToken::rule(format!("its {name} is no text")),
    }
}
