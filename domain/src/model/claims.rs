//! The claims of the provider about a user.

mod pick;

use serde::{Deserialize, Serialize, de::DeserializeSeed};
use serde_json::{Map, Value};

use self::pick::Picker;

/// The claims of a verified ID token with those of the userinfo endpoint merged over them
/// (OpenID Connect Core, sections 2 and 5.3.2).
///
/// Stored as JSON text: pages that do not show them need not parse them. The text is an object; where
/// userinfo stated something that the ID token does not, an array of two: what the ID token states
/// and what userinfo does, each claim in one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims(String);

impl Claims {
    /// The claims of this JSON object.
    pub fn new(claims: &Map<String, Value>) -> Self {
        Self(serde_json::to_string(claims).unwrap_or_else(|_| "{}".into()))
    }

    /// The claims of `all`, each by its source: the ID token where `id_token` states it with the same
    /// value, else userinfo.
    pub fn from_sources(id_token: &Map<String, Value>, all: &Map<String, Value>) -> Self {
        let (stated, added): (Map<_, _>, Map<_, _>) =
            all.clone().into_iter().partition(|(name, value)| id_token.get(name) == Some(value));
        if added.is_empty() {
            return Self::new(&stated);
        }
        Self(serde_json::to_string(&[stated, added]).unwrap_or_else(|_| "{}".into()))
    }

    /// The claims as a JSON object.
    pub fn to_map(&self) -> Map<String, Value> {
        let (mut claims, userinfo) = self.by_source();
        claims.extend(userinfo);
        claims
    }

    /// The claims with these names; `None` for each that the provider did not state. The others are
    /// skipped, which takes a fraction of the time of [`Self::to_map`].
    pub fn pick<const N: usize>(&self, names: [&str; N]) -> [Option<Value>; N] {
        let mut found = [const { None }; N];
        let mut text = serde_json::Deserializer::from_str(&self.0);
        let picked = Picker { names: &names, found: &mut found }.deserialize(&mut text);
        if picked.is_err() { [const { None }; N] } else { found }
    }

    /// The claims of the ID token, and those that userinfo alone stated.
    pub fn by_source(&self) -> (Map<String, Value>, Map<String, Value>) {
        match serde_json::from_str(&self.0) {
            Ok(Value::Object(claims)) => (claims, Map::new()),
            Ok(sources @ Value::Array(_)) => serde_json::from_value(sources).unwrap_or_default(),
            _ => Default::default(),
        }
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
    /// The names of these claims.
    pub(super) const CLAIMS: [&str; 5] = ["name", "nickname", "picture", "email", "email_verified"];

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

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn each_claim_has_one_source() {
        let id_token = object(json!({"sub": "1", "name": "Ann", "gone": true}));
        let all = object(json!({"sub": "1", "name": "Anna", "email": "a@b.example"}));
        let claims = Claims::from_sources(&id_token, &all);
        assert_eq!(claims.to_map(), all);
        let (stated, added) = claims.by_source();
        assert_eq!(stated, object(json!({"sub": "1"})));
        assert_eq!(added, object(json!({"name": "Anna", "email": "a@b.example"})));
    }

    #[test]
    fn picks_what_the_map_holds() {
        let id_token = object(json!({
            "sub": "1", "name": "Ann", "nested": {"name": "no", "email": "no"}, "list": [{"sub": 2}],
        }));
        let all = object(
            json!({"sub": "1", "name": "Anna \"\u{fc}\"", "email": null, "list": [{"sub": 2}]}),
        );
        for claims in [Claims::from_sources(&id_token, &all), Claims::new(&all)] {
            let map = claims.to_map();
            let names = ["list", "name", "sub", "email", "nested"];
            assert_eq!(claims.pick(names), names.map(|name| map.get(name).cloned()));
        }
        assert_eq!(Claims("{\"sub\": 1".into()).pick(["sub"]), [None]);
        assert_eq!(Claims("7".into()).pick(["sub"]), [None]);
    }

    #[test]
    fn claims_of_id_token_alone_take_no_more_room() {
        let all = object(json!({"sub": "1", "list": [1, 2]}));
        let claims = Claims::from_sources(&all, &all);
        assert_eq!(claims, Claims::new(&all));
        assert_eq!(claims.by_source(), (all, Map::new()));
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
