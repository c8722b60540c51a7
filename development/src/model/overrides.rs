//! How the provider's responses differ from its own, so that it answers like another one.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// Differences to the provider's own responses. A JSON merge patch (RFC 7396) each, where nothing
/// else is said; null changes nothing. A text in a patch may contain placeholders, see [`filled`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Overrides {
    /// The vendor's name.
    pub(crate) vendor: String,
    /// Where the differences are described.
    pub(crate) sources: Vec<String>,
    /// What a reader should know, in sentences.
    pub(crate) notes: Vec<String>,
    /// The application's settings for this provider.
    pub(crate) settings: BTreeMap<String, String>,
    /// The metadata.
    pub(crate) metadata: Value,
    /// The parameters of authorization responses.
    pub(crate) authorization_response: Value,
    /// The header of the ID token.
    pub(crate) id_token_header: Value,
    /// The claims of the ID token.
    pub(crate) id_token: Value,
    /// The header of access tokens for an API.
    pub(crate) access_token_header: Value,
    /// The claims of access tokens for an API. `permissions` stays, for the messages API reads it.
    pub(crate) access_token: Value,
    /// The response of the token endpoint.
    pub(crate) token_response: Value,
    /// The claims of userinfo.
    pub(crate) userinfo: Value,
    /// Error responses of the token endpoint, by the provider's own error code.
    pub(crate) errors: BTreeMap<String, Value>,
    /// The only way in which the client may send its secret; `None`: either.
    pub(crate) client_authentication: Option<SecretMethod>,
    /// All scopes; empty: the provider's own.
    pub(crate) scopes: Vec<String>,
    /// What a request for another scope leads to.
    pub(crate) unknown_scope: UnknownScope,
    /// When refresh tokens are issued.
    pub(crate) refresh_tokens: RefreshTokens,
    /// Whether userinfo refuses access tokens for an API.
    pub(crate) userinfo_refuses_api_tokens: bool,
    /// The parameters of the end-session endpoint.
    pub(crate) log_out: LogOut,
}

/// How a client sends its secret (OpenID Connect Core, section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SecretMethod {
    ClientSecretBasic,
    ClientSecretPost,
}

/// What a request for an unknown scope leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UnknownScope {
    /// The scope is ignored (OpenID Connect Core, section 3.1.2.1).
    #[default]
    Ignored,
    /// An error page of the provider.
    ErrorPage,
    /// The error `invalid_scope`, returned to the client (RFC 6749, section 4.1.2.1).
    ErrorResponse,
}

/// When refresh tokens are issued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RefreshTokens {
    /// With the scope `offline_access`.
    #[default]
    OfflineAccess,
    Always,
    Never,
}

/// The parameters of the end-session endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogOut {
    /// Those of OpenID Connect RP-Initiated Logout 1.0.
    #[default]
    Standard,
    /// `client_id` and `logout_uri`, both required.
    LogoutUri,
}

/// `target` after the JSON merge patch `patch` (RFC 7396, section 2).
pub(crate) fn merged(target: Value, patch: &Value) -> Value {
    let Value::Object(changes) = patch else { return patch.clone() };
    let mut members = match target {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    for (name, change) in changes {
        match (members.remove(name), change) {
            (_, Value::Null) => {}
            (member, change) => {
                members.insert(name.clone(), merged(member.unwrap_or_default(), change));
            }
        }
    }
    Value::Object(members)
}

/// `patch` with its placeholders replaced: a text that is `{name}` becomes the member `name` of
/// `values`, whatever its type; null without one.
pub(crate) fn filled(patch: &Value, values: &Value) -> Value {
    match patch {
        Value::String(text) => {
            let name = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            name.map_or_else(|| patch.clone(), |name| values[name].clone())
        }
        Value::Array(items) => items.iter().map(|item| filled(item, values)).collect(),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| (name.clone(), filled(value, values));
            Value::Object(members.iter().map(member).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn merges_as_in_rfc_7396() {
        // The examples of appendix A.
        for (target, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            assert_eq!(merged(target.clone(), &patch), expected, "{target} {patch}");
        }
    }

    #[test]
    fn fills_placeholders_with_values_of_any_type() {
        let values = json!({ "email": "ada@example.com", "roles": ["editor"] });
        let patch =
            json!({ "name": "{email}", "realm": { "roles": "{roles}" }, "aud": ["{email}"] });
        let expected = json!({
            "name": "ada@example.com", "realm": { "roles": ["editor"] }, "aud": ["ada@example.com"],
        });
        assert_eq!(filled(&patch, &values), expected);
        assert_eq!(filled(&json!({ "sid": "{sid}" }), &values), json!({ "sid": null }));
    }
}
