//! Where a claim is found.

use std::fmt;

use serde_json::{Map, Value};

/// Maximum length of a path, in bytes.
const MAX_BYTES: usize = 300;

/// The path of a claim, such as `groups` or `realm_access.roles`. A name may itself contain dots, as
/// `https://example.com/roles` or a client id does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimPath(String);

impl ClaimPath {
    /// The path that this text names. `None` where it is empty, longer than 300 bytes, or contains
    /// white space or a control character.
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = !text.contains(|c: char| c.is_whitespace() || c.is_control());
        (!text.is_empty() && text.len() <= MAX_BYTES && is_plain).then(|| Self(text.to_owned()))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value among these claims. `None` where there is none, and for `null`. Of the names that
    /// the path may begin with, the one with the most characters is tried first, at each level.
    pub fn find<'c>(&self, claims: &'c Map<String, Value>) -> Option<&'c Value> {
        find(&self.0, claims).filter(|value| !value.is_null())
    }

    /// Removes the top-level claim that the path leads into.
    pub fn remove_from(&self, claims: &mut Map<String, Value>) {
        let name = prefixes(&self.0).find(|(name, _)| claims.contains_key(*name));
        if let Some((name, _)) = name {
            claims.remove(name);
        }
    }

    /// Whether the path leads into the top-level claim of this name.
    pub fn is_within(&self, name: &str) -> bool {
        prefixes(&self.0).any(|(prefix, _)| prefix == name)
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The texts in a claim: those of an array, or the words of one text, as `scope` is written. Members
/// of an array that are no texts are left out. `None` for any other value.
pub(super) fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::Array(all) => Some(all.iter().filter_map(Value::as_str).collect()),
        Value::String(text) => Some(text.split_whitespace().collect()),
        _ => None,
    }
}

fn find<'c>(path: &str, claims: &'c Map<String, Value>) -> Option<&'c Value> {
    prefixes(path).find_map(|(name, rest)| {
        let value = claims.get(name)?;
        match rest {
            None => Some(value),
            Some(rest) => find(rest, value.as_object()?),
        }
    })
}

/// Each way to take a name off the path, the one with the most characters first, with what is left.
fn prefixes(path: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let dots = path.rmatch_indices('.');
    std::iter::once((path, None)).chain(dots.map(|(at, _)| (&path[..at], Some(&path[at + 1..]))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn finds_names_with_dots_before_nested_ones() {
        let claims = json!({
            "groups": ["/staff"],
            "cognito:groups": ["staff"],
            "https://example.com/roles": ["editor"],
            "realm_access": { "roles": ["user"] },
            "resource_access": {
                "portico.example.com": { "roles": ["admin"] },
                "portico": { "example": 1, "roles": ["reader"] },
            },
            "a.b": { "c": 1 },
            "a": { "b": { "c": 2, "d": 3 }, "b.c": 4 },
            "nothing": null,
        });
        let claims = claims.as_object().unwrap();
        for (path, expected) in [
            ("groups", json!(["/staff"])),
            ("cognito:groups", json!(["staff"])),
            ("https://example.com/roles", json!(["editor"])),
            ("realm_access.roles", json!(["user"])),
            ("resource_access.portico.example.com.roles", json!(["admin"])),
            ("resource_access.portico.roles", json!(["reader"])),
            ("a.b.c", json!(1)),
            ("a.b.d", json!(3)),
            ("nothing", json!(null)),
            ("nothing.more", json!(null)),
            ("realm_access.roles.more", json!(null)),
            ("realm_access", json!({ "roles": ["user"] })),
            ("roles", json!(null)),
        ] {
            let found = ClaimPath::parse(path).unwrap().find(claims).cloned();
            assert_eq!(found.unwrap_or_default(), expected, "{path}");
        }
    }

    #[test]
    fn refuses_text_that_is_no_path() {
        let long = "x".repeat(MAX_BYTES + 1);
        for text in ["", "a b", "a\u{7}", long.as_str()] {
            assert_eq!(ClaimPath::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn removes_the_top_level_claim() {
        let mut claims = json!({ "a.b": { "c": 1 }, "a": 1 }).as_object().cloned().unwrap();
        ClaimPath::parse("a.b.c").unwrap().remove_from(&mut claims);
        assert_eq!(claims.keys().collect::<Vec<_>>(), ["a"]);
    }
}
