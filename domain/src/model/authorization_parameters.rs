//! What a link to `/login` may ask of the provider.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// All values together are at most this long, in bytes: they must fit into the attempt's cookie.
const LONGEST: usize = 500;

/// The names that may be passed through. Every other one is left out.
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

/// Checked parameters of an authorization request (OpenID Connect Core, section 3.1.2.1, and Auth0's
/// own).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationParameters(Vec<(String, String)>);

/// A parameter that is not passed on. Holds its name, never its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidParameter {
    /// It is given more than once, which RFC 6749, section 3.1, forbids.
    #[error("{0} is given more than once")]
    Repeated(&'static str),
    /// It is too long, has a control character, or is not what its definition asks for.
    #[error("{0} is malformed")]
    Malformed(&'static str),
}

impl AuthorizationParameters {
    /// Takes the allowed ones from decoded pairs of a query. Empty ones count as absent, as
    /// RFC 6749, section 3.1, wants.
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
            if taken.iter().map(|(_, value)| value.len()).sum::<usize>() > LONGEST {
                return Err(InvalidParameter::Malformed(name));
            }
        }
        Ok(Self(taken))
    }

    /// Whether the person has to sign in at the provider even with a session here.
    pub fn require_login(&self) -> bool {
        // `none` only asks whether there is a session at the provider.
        let prompts = self.get("prompt").is_some_and(|prompt| prompt != "none");
        prompts || self.max_age().is_some() || self.get("acr_values").is_some()
    }

    /// How long ago the person may have signed in at the provider. `None` where it does not matter.
    pub fn max_age(&self) -> Option<TimeDelta> {
        self.get("max_age")?.parse::<u32>().ok().map(|age| TimeDelta::seconds(age.into()))
    }

    /// Names and values, as they go out.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of an allowed name. `None` when it was not asked for.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Whether the value is what the definition of its name asks for.
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
    fn allowed_ones_are_taken_and_others_left_out() {
        let requested =
            AuthorizationParameters::parse([("max_age", "60"), ("state", "x")]).unwrap();
        assert_eq!(requested.get("max_age"), Some("60"));
        assert_eq!(requested.get("state"), None);
    }

    #[test]
    fn what_cannot_be_passed_on_is_refused() {
        let long = "x".repeat(LONGEST + 1);
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
