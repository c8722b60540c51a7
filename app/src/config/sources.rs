//! The places that settings come from.

use std::{collections::BTreeMap, ffi::OsString, io::Read};

use figment::{
    Error, Figment, Metadata, Profile, Provider,
    providers::{Data, Toml},
    value::{Dict, Map, Value},
};

use super::reader::{KEYS, Problem, ROCKET};

/// `Portico.toml`, under `.env`, under the environment; and what is wrong with `.env`.
pub(super) fn figment<R: Read>(
    file: Data<Toml>,
    env_file: dotenvy::Result<dotenvy::Iter<R>>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> (Figment, Option<Problem>) {
    let mut broken = None;
    let mut dotenv = Vec::new();
    // Without the file there is nothing to read.
    for line in env_file.into_iter().flatten() {
        match line {
            Ok(pair) => dotenv.push(pair),
            // The error quotes the line, and that may hold a secret.
            Err(_) => {
                let after = dotenv.last().map(|(key, _): &(String, String)| key.as_str());
                broken = Some(Problem {
                    key: ".env".into(),
                    source: Some(match after {
                        Some(key) => format!("the line after {key}"),
                        None => "its first line".into(),
                    }),
                    expected: "KEY=value, the value in quotes where it holds spaces".into(),
                });
                break;
            }
        }
    }
    let environment = environment
        .into_iter()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
    let figment = Figment::from(file)
        .merge(Text::new(".env", dotenv))
        .merge(Text::new("the environment", environment));
    (figment, broken)
}

/// Known keys with their values verbatim: figment's own reader would take a client secret like
/// `0123` for a number. An empty value counts as none.
pub(super) struct Text {
    name: &'static str,
    values: BTreeMap<String, String>,
}

impl Text {
    pub(super) fn new<K: AsRef<str>, V: AsRef<str>>(
        name: &'static str,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let known = |key: &str| KEYS.contains(&key) || key.starts_with(ROCKET);
        let values = pairs
            .into_iter()
            .map(|(key, value)| (key.as_ref().to_owned(), value.as_ref().trim().to_owned()))
            .filter(|(key, value)| known(key) && !value.is_empty())
            .map(|(key, value)| (key.to_ascii_lowercase(), value))
            .collect();
        Self { name, values }
    }
}

impl Provider for Text {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let values =
            self.values.iter().map(|(key, value)| (key.clone(), Value::from(value.clone())));
        Ok(Profile::Default.collect(values.collect()))
    }
}
