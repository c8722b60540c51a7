//! What a person may do, where the provider tells.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use portico_domain::model::Permission;
use serde_json::{Map, Value};

/// The claim `permissions` of the person's claims, else that of the access token, where Auth0
/// puts it; empty where neither has it.
///
/// The access token is meant for the API, and need not be readable: this is for guards that show
/// or hide a page, and the API judges for itself. It came straight from the token endpoint, which
/// vouches for it as for an ID token (OpenID Connect Core, section 3.1.3.7, step 6).
pub(super) fn permissions(claims: &Map<String, Value>, access_token: &str) -> Vec<Permission> {
    told(claims, access_token).unwrap_or_default()
}

/// The same; `None` where neither says anything about permissions.
pub(super) fn told(claims: &Map<String, Value>, access_token: &str) -> Option<Vec<Permission>> {
    listed(claims).or_else(|| listed(&payload(access_token)?))
}

fn listed(claims: &Map<String, Value>) -> Option<Vec<Permission>> {
    let all = claims.get("permissions")?.as_array()?;
    Some(all.iter().filter_map(Value::as_str).map(Permission::new).collect())
}

/// The claims of a signed JWT; `None` for an access token of another kind.
fn payload(token: &str) -> Option<Map<String, Value>> {
    let [_, payload, _] = token.split('.').collect::<Vec<_>>()[..] else { return None };
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(claims: &Value, access_token: &str) -> Vec<String> {
        let all = permissions(claims.as_object().unwrap(), access_token);
        all.iter().map(|permission| permission.as_str().to_owned()).collect()
    }

    #[test]
    fn the_persons_claims_come_first_and_then_the_access_token() {
        let token = format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(r#"{"permissions":["a","b",7]}"#));
        assert_eq!(names(&json!({}), &token), ["a", "b"]);
        assert_eq!(names(&json!({"permissions": ["c"]}), &token), ["c"]);
        assert!(names(&json!({"permissions": []}), &token).is_empty());
    }

    #[test]
    fn an_access_token_that_cannot_be_read_tells_nothing() {
        for token in ["", "opaque", "a.b.c", "a.b", "e30.W10.x", "1.2.3.4"] {
            assert!(names(&json!({}), token).is_empty(), "{token}");
        }
    }
}
