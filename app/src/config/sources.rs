//! The places that settings come from.

use std::{borrow::Cow, collections::BTreeMap, ffi::OsString};

use figment::{
    Error, Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};

use super::reader::{KEYS, ROCKET};

/// The variables of the process.
pub(super) struct Environment(Vec<(String, String)>);

impl Environment {
    /// Those whose name and value are text.
    pub(super) fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let text = |(key, value): (OsString, OsString)| {
            Some((key.into_string().ok()?, value.into_string().ok()?))
        };
        Self(variables.into_iter().filter_map(text).collect())
    }

    pub(super) fn text(&self) -> Text {
        Text::new("the environment", self.0.iter().map(|(key, value)| (key, value)))
    }
}

/// Known keys with their values verbatim: figment's own reader would take a client secret like
/// `0123` for a number. An empty value counts as none.
pub(super) struct Text {
    name: Cow<'static, str>,
    values: BTreeMap<String, String>,
}

impl Text {
    pub(super) fn new<K: AsRef<str>, V: AsRef<str>>(
        name: impl Into<Cow<'static, str>>,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let known = |key: &str| KEYS.contains(&key) || key.starts_with(ROCKET);
        let values = pairs
            .into_iter()
            .map(|(key, value)| (key.as_ref().to_owned(), value.as_ref().trim().to_owned()))
            .filter(|(key, value)| known(key) && !value.is_empty())
            .map(|(key, value)| (key.to_ascii_lowercase(), value))
            .collect();
        Self { name: name.into(), values }
    }
}

impl Provider for Text {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let values =
            self.values.iter().map(|(key, value)| (key.clone(), Value::from(value.clone())));
        Ok(Profile::Default.collect(values.collect()))
    }
}
