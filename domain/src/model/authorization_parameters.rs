//! Parameters of the authorization request that a link to `/login` may set.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// Size of all values together: they must fit into the cookie of the attempt.
const MAX_BYTES: usize = 500;

/// The names that are passed on. Every other one is ignored.
const ALLOWED: [&str; 8] = [
    "login_hint",
    "ui_locales",
    "organization",
    "invitation",
    "connection",
    "max_age",
    "prompt",
    "acr_values",
];

/// Validated parameters (OpenID Connect Core, section 3.1.2.1, and those of Auth0).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationParameters(Vec<(String, String)>);

/// A parameter that cannot be passed on: its name, never its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidParameter {
    /// It is given more than once, which RFC 6749, section 3.1, forbids.
    #[error("{0} is given more than once")]
    Repeated(&'static str),
    /// It is too long, contains a control character, or does not match its definition.
    #[error("{0} is malformed")]
    Malformed(&'static str),
}

impl AuthorizationParameters {
    /// The allowed parameters among the decoded pairs of a query. Empty ones count as absent
    /// (RFC 6749, section 3.1).
    ///
    /// # Errors
    /// A [`InvalidParameter`] for the first allowed name whose value cannot be passed on.
    pub fn parse<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, InvalidParameter> {
        let mut taken: Vec<(String, String)> = Vec::new();
        for (name, value) in pairs {
            let Some(name) = ALLOWED.into_iter().find(|allowed| *allowed == name) else {
                continue;
            };
            if value.is_empty() {
                continue;
            }
            if taken.iter().any(|(other, _)| *other == name) {
                return Err(InvalidParameter::Repeated(name));
            }
            if !well_formed(name, value) {
                return Err(InvalidParameter::Malformed(name));
            }
            taken.push((name.to_owned(), value.to_owned()));
            if taken.iter().map(|(_, value)| value.len()).sum::<usize>() > MAX_BYTES {
                return Err(InvalidParameter::Malformed(name));
            }
        }
        Ok(Self(taken))
    }

    /// Whether the user has to log in at the provider although a session exists here.
    pub fn require_login(&self) -> bool {
        // `none` only asks whether there is a session at the provider.
        let prompts = self.get("prompt").is_some_and(|prompt| prompt != "none");
        prompts || self.max_age().is_some() || self.get("acr_values").is_some()
    }

    /// How long ago the user may have authenticated. `None` where it was not requested.
    pub fn max_age(&self) -> Option<TimeDelta> {
        self.get("max_age")?.parse::<u32>().ok().map(|age| TimeDelta::seconds(age.into()))
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of a parameter. `None` where it was not requested.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Whether the value matches the definition of its name.
fn well_formed(name: &str, value: &str) -> bool {
    if value.chars().any(char::is_control) {
        return false;
    }
    match name {
        "max_age" => value.bytes().all(|b| b.is_ascii_digit()) && value.parse::<u32>().is_ok(),
        // `none` beside another value is an error (OpenID Connect Core, section 3.1.2.1).
        "prompt" => value == "none" || value.split(' ').all(|word| word != "none"),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_allowed_parameters_only() {
        let requested =
            AuthorizationParameters::parse([("max_age", "60"), ("state", "x")]).unwrap();
        assert_eq!(requested.get("max_age"), Some("60"));
        assert_eq!(requested.get("state"), None);
    }

    #[test]
    fn refuses_repeated_and_malformed_parameters() {
        let long = "x".repeat(MAX_BYTES + 1);
        for (name, value) in [
            ("max_age", "-1"),
            ("max_age", "+1"),
            ("prompt", "none login"),
            ("login_hint", "a\nb"),
            ("login_hint", long.as_str()),
        ] {
            assert!(AuthorizationParameters::parse([(name, value)]).is_err(), "{name}");
        }
        let twice = [("prompt", "login"), ("prompt", "login")];
        let refused = AuthorizationParameters::parse(twice);
        assert_eq!(refused, Err(InvalidParameter::Repeated("prompt")));
    }
}
