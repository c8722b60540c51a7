//! Parameters of the authorization request that a link to `/login` or a setting adds.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// Size of all parameters together, in bytes: they must fit into the cookie of the attempt. The names
/// of [`LinkParameters::ALWAYS`] do not count.
const MAX_BYTES: usize = 500;

/// Parameters of the protocol and of this site. No setting may name them, in any case: some
/// providers ignore it.
const RESERVED: [&str; 33] = [
    "assertion",
    "audience",
    "authorization_details",
    "claims",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "dpop_jkt",
    "error",
    "grant_type",
    "id_token_hint",
    "iss",
    "next",
    "nonce",
    "password",
    "redirect_uri",
    "refresh_token",
    "registration",
    "renew",
    "request",
    "request_uri",
    "resource",
    "response_mode",
    "response_type",
    "scope",
    "state",
    "target_link_uri",
    "username",
];

/// The names of the parameters that a link to `/login` may set: always [`LinkParameters::ALWAYS`],
/// and those of the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkParameters(Vec<String>);

impl LinkParameters {
    /// The names that need no setting.
    pub const ALWAYS: [&str; 8] = [
        "login_hint",
        "ui_locales",
        "organization",
        "invitation",
        "connection",
        "max_age",
        "prompt",
        "acr_values",
    ];

    /// Number of further names.
    const MAX_COUNT: usize = 20;

    /// With further names. Those of [`LinkParameters::ALWAYS`] and repeated ones make no difference.
    ///
    /// # Errors
    /// [`InvalidParameter::Reserved`]; [`InvalidParameter::Name`] for one that no parameter can have,
    /// and for more than 20.
    pub fn with<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidParameter> {
        let mut more: Vec<String> = Vec::new();
        for name in names {
            check_name(name)?;
            if !Self::ALWAYS.contains(&name) && !more.iter().any(|other| other == name) {
                more.push(name.to_owned());
            }
        }
        if more.len() > Self::MAX_COUNT {
            return Err(InvalidParameter::Name);
        }
        Ok(Self(more))
    }

    /// The parameters of these names among the decoded pairs of a query. Others and empty ones count
    /// as absent (RFC 6749, section 3.1).
    ///
    /// # Errors
    /// [`InvalidParameter::Repeated`] or [`InvalidParameter::Malformed`] for the first one that cannot
    /// be passed on.
    pub fn read<'a>(
        &self,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<AuthorizationParameters, InvalidParameter> {
        let mut parameters = AuthorizationParameters::default();
        for (name, value) in pairs {
            let is_named = Self::ALWAYS.contains(&name) || self.0.iter().any(|one| one == name);
            if is_named && !value.is_empty() {
                parameters.add(name, value)?;
            }
        }
        Ok(parameters)
    }
}

/// Validated parameters (OpenID Connect Core, section 3.1.2.1, and those of providers).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationParameters(Vec<(String, String)>);

/// A parameter that cannot be sent. Holds no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidParameter {
    /// It is given more than once, which RFC 6749, section 3.1, forbids.
    #[error("{0} is given more than once")]
    Repeated(String),
    /// It is too long, contains a control character, or does not match its definition.
    #[error("{0} is malformed")]
    Malformed(String),
    /// The protocol or this site uses it.
    #[error("{0} is reserved")]
    Reserved(&'static str),
    /// No parameter can have this name (RFC 6749, section 8.2), or there are too many.
    #[error("a name is invalid, or there are too many")]
    Name,
}

impl AuthorizationParameters {
    /// The parameters of [`LinkParameters::ALWAYS`] among the decoded pairs of a query.
    ///
    /// # Errors
    /// As [`LinkParameters::read`].
    pub fn parse<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, InvalidParameter> {
        LinkParameters::default().read(pairs)
    }

    /// Those of a setting: any name that is not reserved.
    ///
    /// # Errors
    /// An [`InvalidParameter`] for the first that cannot be sent; an empty one is malformed.
    pub fn of_setting<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, InvalidParameter> {
        let mut parameters = Self::default();
        for (name, value) in pairs {
            check_name(name)?;
            if value.is_empty() {
                return Err(InvalidParameter::Malformed(name.to_owned()));
            }
            parameters.add(name, value)?;
        }
        Ok(parameters)
    }

    fn add(&mut self, name: &str, value: &str) -> Result<(), InvalidParameter> {
        if self.get(name).is_some() {
            return Err(InvalidParameter::Repeated(name.to_owned()));
        }
        self.0.push((name.to_owned(), value.to_owned()));
        if !well_formed(name, value) || self.size() > MAX_BYTES {
            return Err(InvalidParameter::Malformed(name.to_owned()));
        }
        Ok(())
    }

    /// In bytes, as they are stored: some characters are escaped.
    fn size(&self) -> usize {
        let stored = |text: &str| text.len() + text.matches(['"', '\\']).count();
        let of_name =
            |name: &str| if LinkParameters::ALWAYS.contains(&name) { 0 } else { name.len() + 6 };
        self.0.iter().map(|(name, value)| of_name(name) + stored(value)).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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

/// Accepts what RFC 6749, section 8.2, allows, up to 50 characters.
fn check_name(name: &str) -> Result<(), InvalidParameter> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if name.is_empty() || name.len() > 50 || !name.bytes().all(allowed) {
        return Err(InvalidParameter::Name);
    }
    match RESERVED.into_iter().find(|reserved| reserved.eq_ignore_ascii_case(name)) {
        Some(reserved) => Err(InvalidParameter::Reserved(reserved)),
        None => Ok(()),
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
        assert_eq!(refused, Err(InvalidParameter::Repeated("prompt".into())));
    }

    #[test]
    fn link_sets_parameters_that_the_settings_name() {
        let names = LinkParameters::with(["kc_idp_hint", "prompt", "kc_idp_hint"]).unwrap();
        let pairs =
            [("kc_idp_hint", "google"), ("KC_IDP_HINT", "x"), ("hd", "x"), ("prompt", "login")];
        let read = names.read(pairs).unwrap();
        assert!(read.iter().eq([("kc_idp_hint", "google"), ("prompt", "login")]));
        let twice = [("kc_idp_hint", "a"), ("kc_idp_hint", "b")];
        assert_eq!(names.read(twice), Err(InvalidParameter::Repeated("kc_idp_hint".into())));
        let long = "x".repeat(MAX_BYTES);
        let refused = names.read([("kc_idp_hint", &*long)]);
        assert_eq!(refused, Err(InvalidParameter::Malformed("kc_idp_hint".into())));
    }

    #[test]
    fn setting_names_no_parameter_of_the_protocol() {
        for reserved in RESERVED {
            let expected = InvalidParameter::Reserved(reserved);
            let refused = LinkParameters::with(["hd", reserved]);
            assert_eq!(refused, Err(expected.clone()));
            let upper = reserved.to_uppercase();
            assert_eq!(LinkParameters::with([&*upper]), Err(expected.clone()));
            assert_eq!(AuthorizationParameters::of_setting([(&*upper, "x")]), Err(expected));
        }
    }

    #[test]
    fn setting_names_possible_parameters_only() {
        let long = "x".repeat(51);
        for name in ["", "a b", "a=b", "ä", "a&b", &*long] {
            assert_eq!(LinkParameters::with([name]), Err(InvalidParameter::Name), "{name}");
        }
        let names =
            |count: u8| (0..count).map(|number| format!("name{number}")).collect::<Vec<_>>();
        assert!(LinkParameters::with(names(20).iter().map(String::as_str)).is_ok());
        assert!(LinkParameters::with(names(21).iter().map(String::as_str)).is_err());
    }

    #[test]
    fn setting_gives_parameters_of_any_other_name() {
        let sent = [("prompt", "registration"), ("screen_hint", "sign-up")];
        assert!(AuthorizationParameters::of_setting(sent).unwrap().iter().eq(sent));
        for (name, value) in [("a", ""), ("a", "\n"), ("max_age", "x")] {
            let refused = AuthorizationParameters::of_setting([(name, value)]);
            assert_eq!(refused, Err(InvalidParameter::Malformed(name.into())));
        }
        let twice = AuthorizationParameters::of_setting([("a", "1"), ("a", "2")]);
        assert_eq!(twice, Err(InvalidParameter::Repeated("a".into())));
    }

    #[test]
    fn counts_characters_as_they_are_stored() {
        let quotes = "\"".repeat(MAX_BYTES / 2);
        assert!(AuthorizationParameters::parse([("login_hint", &*quotes)]).is_ok());
        let more = format!("{quotes}\"");
        assert!(AuthorizationParameters::parse([("login_hint", &*more)]).is_err());
    }
}
