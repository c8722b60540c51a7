//! The user's permissions, where the provider states them.

use portico_domain::model::Permission;
use serde_json::{Map, Value};

use crate::identity::oidc::verify::unverified_claims;

/// The claim `permissions` of the ID token or userinfo, else that of the access token, where Auth0
/// puts it. `None` where neither has it.
///
/// The access token is meant for the API and need not be readable. Its signature is not verified:
/// it came from the token endpoint directly, which vouches for it as for an ID token (OpenID
/// Connect Core, section 3.1.3.7, rule 6). The permissions only show or hide pages; the API decides
/// for itself.
pub(super) fn find(claims: &Map<String, Value>, access_token: &str) -> Option<Vec<Permission>> {
    in_claims(claims).or_else(|| in_claims(&unverified_claims(access_token)?))
}

fn in_claims(claims: &Map<String, Value>) -> Option<Vec<Permission>> {
    let all = claims.get("permissions")?.as_array()?;
    Some(all.iter().filter_map(Value::as_str).map(Permission::new).collect())
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::*;

    fn names(claims: &Value, access_token: &str) -> Option<Vec<String>> {
        let all = find(claims.as_object().unwrap(), access_token)?;
        Some(all.iter().map(|permission| permission.as_str().to_owned()).collect())
    }

    #[test]
    fn prefers_claims_over_access_token() {
        let payload = BASE64_URL_SAFE_NO_PAD.encode(r#"{"permissions":["a","b",7]}"#);
        let token = format!("e30.{payload}.c2ln");
        assert_eq!(names(&json!({}), &token), Some(vec!["a".into(), "b".into()]));
        assert_eq!(names(&json!({"permissions": ["c"]}), &token), Some(vec!["c".into()]));
        assert_eq!(names(&json!({"permissions": []}), &token), Some(vec![]));
    }

    #[test]
    fn finds_nothing_in_unreadable_access_token() {
        for token in ["", "opaque", "a.b.c", "a.b", "e30.W10.x", "1.2.3.4"] {
            assert_eq!(names(&json!({}), token), None, "{token}");
        }
    }
}
