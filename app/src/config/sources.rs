//! The places that settings come from.

use std::{borrow::Cow, collections::BTreeMap, ffi::OsString};

use figment::{
    Error, Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};

use super::{reader::Problem, unknown};

/// The variables of the process.
pub(super) struct Environment {
    variables: Vec<(String, String)>,
    problems: Vec<Problem>,
}

impl Environment {
    const NAME: &str = "the environment";

    /// Those whose name and value are text. A setting whose value is none is a problem.
    pub(super) fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut text = Self { variables: Vec::new(), problems: Vec::new() };
        for (key, value) in variables {
            let Ok(key) = key.into_string() else { continue };
            match value.into_string() {
                Ok(value) => text.variables.push((key, value)),
                Err(_) if unknown::is_setting(&key) => text.problems.push(Problem {
                    key,
                    source: Some(Self::NAME.into()),
                    expected: "text in UTF-8".into(),
                    hint: None,
                }),
                Err(_) => {}
            }
        }
        text
    }

    pub(super) fn text(&self) -> Text {
        Text::new(Self::NAME, self.variables.iter().map(|(key, value)| (key, value)))
    }

    /// What is wrong with the values.
    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The variables that look like settings and are none.
    pub(super) fn warnings(&self) -> Vec<String> {
        unknown::warnings(self.variables.iter().map(|(key, _)| &**key), Self::NAME)
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
        let values = pairs
            .into_iter()
            .map(|(key, value)| (key.as_ref().to_owned(), value.as_ref().trim().to_owned()))
            .filter(|(key, value)| unknown::is_setting(key) && !value.is_empty())
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
