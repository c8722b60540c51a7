//! The claims of the provider about a user.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The claims of a verified ID token with those of the userinfo endpoint merged over them
/// (OpenID Connect Core, sections 2 and 5.3.2).
///
/// Stored as JSON text: pages that do not show them need not parse them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims(String);

impl Claims {
    /// The claims of this JSON object.
    pub fn new(claims: &Map<String, Value>) -> Self {
        Self(serde_json::to_string(claims).unwrap_or_else(|_| "{}".into()))
    }

    /// The claims as a JSON object.
    pub fn to_map(&self) -> Map<String, Value> {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

/// The standard claims that the site shows and keeps (OpenID Connect Core, section 5.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Full name.
    pub name: Option<String>,
    /// Casual name.
    pub nickname: Option<String>,
    /// `http` or `https` address of a picture.
    pub picture: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Whether the provider verified the e-mail address; `None` where it does not say.
    pub email_verified: Option<bool>,
}

impl Profile {
    /// The standard claims among these; an absent, empty or malformed one is `None`.
    pub fn from_claims(claims: &Map<String, Value>) -> Self {
        let text = |name: &str| {
            let value = claims.get(name)?.as_str()?.trim();
            (!value.is_empty()).then(|| value.to_owned())
        };
        Self {
            name: text("name"),
            nickname: text("nickname"),
            picture: text("picture").filter(|url| is_web_address(url)),
            email: text("email"),
            // Some providers send the text "true" for the boolean.
            email_verified: claims.get("email_verified").and_then(|value| match value {
                Value::Bool(verified) => Some(*verified),
                Value::String(text) => text.parse().ok(),
                _ => None,
            }),
        }
    }
}

fn is_web_address(url: &str) -> bool {
    let lower = url.get(..8).unwrap_or(url).to_ascii_lowercase();
    lower.starts_with("https://") || lower.starts_with("http://")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn profile(claims: Value) -> Profile {
        Profile::from_claims(claims.as_object().unwrap())
    }

    #[test]
    fn leaves_out_picture_that_is_no_web_address() {
        assert_eq!(profile(json!({"picture": "javascript:alert(1)"})).picture, None);
        assert_eq!(profile(json!({"picture": "data:text/html,x"})).picture, None);
        let https = profile(json!({"picture": "HTTPS://example.com/a.png"}));
        assert_eq!(https.picture.as_deref(), Some("HTTPS://example.com/a.png"));
    }

    #[test]
    fn malformed_claims_are_absent() {
        let malformed = profile(json!({"name": 7, "email": " ", "email_verified": "yes"}));
        assert_eq!(malformed, Profile::default());
    }

    #[test]
    fn accepts_text_for_email_verified() {
        assert_eq!(profile(json!({"email_verified": "true"})).email_verified, Some(true));
    }
}
