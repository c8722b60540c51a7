//! Whether the provider did what it was asked beside the login itself.

use chrono::{DateTime, TimeDelta, Utc};
use portico_domain::model::AuthorizationParameters;
use serde_json::{Map, Value};

use super::id_token::LEEWAY;

/// Holds the verified claims of the ID token against what was asked: `max_age` and `acr_values`
/// (OpenID Connect Core, sections 2, 3.1.2.1 and 3.1.3.7, rules 12 and 13), and Auth0's
/// `organization`. The error says what is wrong.
pub(super) fn verify(
    requested: &AuthorizationParameters,
    claims: &Map<String, Value>,
    now: DateTime<Utc>,
) -> Result<(), String> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if let Some(max_age) = requested.max_age() {
        let auth_time = claims.get("auth_time").and_then(Value::as_f64);
        let Some(auth_time) = auth_time else { return Err("it has no auth_time".into()) };
        #[allow(clippy::cast_precision_loss, reason = "seconds since the epoch are exact in f64")]
        let age = now.timestamp() as f64 - auth_time;
        let seconds =
            |time: TimeDelta| f64::from(i32::try_from(time.num_seconds()).unwrap_or(i32::MAX));
        if age > seconds(max_age) + seconds(LEEWAY) {
            return Err("the person signed in too long ago (auth_time)".into());
        }
    }
    if let Some(wanted) = requested.get("acr_values")
        && !text("acr").is_some_and(|acr| wanted.split(' ').any(|one| one == acr))
    {
        return Err("the person signed in by other means than were asked for (acr)".into());
    }
    if let Some(wanted) = requested.get("organization") {
        // Auth0 takes either, and writes names in lower case.
        let is_wanted = if wanted.starts_with("org_") {
            text("org_id") == Some(wanted)
        } else {
            text("org_name").is_some_and(|name| name.eq_ignore_ascii_case(wanted))
        };
        if !is_wanted {
            return Err("the person signed in to another organization".into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn is_taken(name: &str, value: &str, claims: &Value) -> bool {
        let requested = AuthorizationParameters::parse([(name, value)]).unwrap();
        let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(1_000);
        verify(&requested, claims.as_object().unwrap(), now).is_ok()
    }

    #[test]
    fn a_login_must_be_as_fresh_as_was_asked_but_for_the_clocks() {
        for (max_age, auth_time, expected) in [
            ("100", json!(900), true),
            ("100", json!(840), true),
            ("100", json!(839), false),
            ("0", json!(940), true),
            ("0", json!(939), false),
            ("100", json!(900.5), true),
            ("100", json!("900"), false),
            ("100", json!(null), false),
        ] {
            let claims = json!({ "auth_time": auth_time });
            assert_eq!(is_taken("max_age", max_age, &claims), expected, "{max_age} {claims}");
        }
        assert!(!is_taken("max_age", "4294967295", &json!({})));
        assert!(is_taken("login_hint", "jo", &json!({})), "nothing else wants auth_time");
    }

    #[test]
    fn the_means_must_be_one_of_those_that_were_asked_for() {
        for (acr, expected) in [
            (json!("gold"), true),
            (json!("silver"), true),
            (json!("gold silver"), false),
            (json!(""), false),
            (json!(["gold"]), false),
            (json!(null), false),
        ] {
            let claims = json!({ "acr": acr });
            assert_eq!(is_taken("acr_values", "gold silver", &claims), expected, "{claims}");
        }
    }

    #[test]
    fn the_organization_must_be_the_one_that_was_asked_for() {
        for (wanted, claims, expected) in [
            ("org_1", json!({ "org_id": "org_1" }), true),
            ("org_1", json!({ "org_id": "org_2" }), false),
            ("org_1", json!({ "org_name": "org_1" }), false),
            ("org_1", json!({}), false),
            ("Acme", json!({ "org_name": "acme", "org_id": "org_1" }), true),
            ("Acme", json!({ "org_name": "other" }), false),
            ("Acme", json!({ "org_id": "Acme" }), false),
        ] {
            assert_eq!(is_taken("organization", wanted, &claims), expected, "{wanted} {claims}");
        }
    }
}
