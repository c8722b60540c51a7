//! What the authorization request required besides the log-in itself.

use chrono::{DateTime, Utc};
use portico_domain::{
    model::{AuthorizationParameters, CLOCK_LEEWAY},
    ports::UnmetRequirement,
};
use serde_json::{Map, Value};

use super::{InvalidToken, claims::numeric_date};

/// Verifies that the ID token meets `acr_values`, `max_age` and Auth0's `organization`, where they
/// were requested.
pub(super) fn verify(
    requested: &AuthorizationParameters,
    claims: &Map<String, Value>,
    now: DateTime<Utc>,
) -> Result<(), InvalidToken> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    // OpenID Connect Core, section 3.1.3.7, rule 12: acr is appropriate.
    if let Some(wanted) = requested.get("acr_values")
        && !text("acr").is_some_and(|acr| wanted.split(' ').any(|one| one == acr))
    {
        return Err(UnmetRequirement::AcrValues(wanted.to_owned()).into());
    }
    // Rule 13: the authentication is recent enough. The same rule as that of
    // `Identity::authenticated_within`, by which pages check it later.
    if let Some(max_age) = requested.max_age() {
        let auth_time = numeric_date(claims, "auth_time")?;
        let authenticated_at = auth_time.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        let Some(authenticated_at) = authenticated_at else {
            return Err(UnmetRequirement::NoAuthTime(max_age).into());
        };
        if now - authenticated_at > max_age + CLOCK_LEEWAY {
            return Err(UnmetRequirement::MaxAge(max_age).into());
        }
    }
    if let Some(wanted) = requested.get("organization") {
        // Auth0 takes an id or a name; it writes names in lower case.
        let (id, name) = (text("org_id"), text("org_name"));
        let (is_wanted, found) = if wanted.starts_with("org_") {
            (id == Some(wanted), id.or(name))
        } else {
            (name.is_some_and(|name| name.eq_ignore_ascii_case(wanted)), name.or(id))
        };
        if !is_wanted {
            let (requested, found) = (wanted.to_owned(), found.map(str::to_owned));
            return Err(InvalidToken::WrongOrganization { requested, found });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use serde_json::json;

    use super::*;

    fn is_met(name: &str, value: &str, claims: &Value) -> bool {
        let requested = AuthorizationParameters::parse([(name, value)]).unwrap();
        let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(1_000);
        verify(&requested, claims.as_object().unwrap(), now).is_ok()
    }

    #[test]
    fn requires_recent_authentication_within_leeway() {
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
            assert_eq!(is_met("max_age", max_age, &claims), expected, "{max_age} {claims}");
        }
        assert!(!is_met("max_age", "4294967295", &json!({})));
        assert!(is_met("login_hint", "jo", &json!({})), "no other parameter needs auth_time");
    }

    #[test]
    fn requires_one_of_the_requested_acr_values() {
        for (acr, expected) in [
            (json!("gold"), true),
            (json!("silver"), true),
            (json!("gold silver"), false),
            (json!(""), false),
            (json!(["gold"]), false),
            (json!(null), false),
        ] {
            let claims = json!({ "acr": acr });
            assert_eq!(is_met("acr_values", "gold silver", &claims), expected, "{claims}");
        }
    }

    #[test]
    fn requires_the_requested_organization() {
        for (wanted, claims, expected) in [
            ("org_1", json!({ "org_id": "org_1" }), true),
            ("org_1", json!({ "org_id": "org_2" }), false),
            ("org_1", json!({ "org_name": "org_1" }), false),
            ("org_1", json!({}), false),
            ("Acme", json!({ "org_name": "acme", "org_id": "org_1" }), true),
            ("Acme", json!({ "org_name": "other" }), false),
            ("Acme", json!({ "org_id": "Acme" }), false),
        ] {
            assert_eq!(is_met("organization", wanted, &claims), expected, "{wanted} {claims}");
        }
    }
}
