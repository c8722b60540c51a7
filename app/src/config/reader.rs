//! Reads settings one by one and collects what is wrong with them.

use std::{borrow::Cow, fmt, path::Path};

use figment::{Figment, value::Value};

use super::{GivenValue, entry::MAPPING, files, hints, sources::Text, unknown};

/// Every key but Rocket's own, as the environment spells it.
pub const KEYS: [&str; 39] = [
    "AUTH0_DOMAIN",
    "AUTH0_CLIENT_ID",
    "AUTH0_CLIENT_SECRET",
    "AUTH0_AUDIENCE",
    "API_SERVER_URL",
    "OIDC_ISSUER_URL",
    "OIDC_DISCOVERY_URL",
    "OIDC_CLIENT_ID",
    "OIDC_CLIENT_SECRET",
    "OIDC_CLIENT_KEY_FILE",
    "OIDC_CLIENT_KEY_ID",
    "OIDC_CLIENT_KEY_ALG",
    "OIDC_CLIENT_AUTH_METHOD",
    "OIDC_AUDIENCE",
    "OIDC_SCOPES",
    "OIDC_SIGN_UP_PARAMETERS",
    "OIDC_LOGIN_PARAMETERS",
    "OIDC_RESPONSE_MODE",
    "OIDC_PAR",
    "OIDC_USERINFO",
    "OIDC_ID_TOKEN_SIGNED_RESPONSE_ALG",
    "PERMISSIONS_CLAIMS",
    "ALLOWED_EMAIL_DOMAINS",
    "REQUIRED_CLAIMS",
    "REQUIRE_VERIFIED_EMAIL",
    "PUBLIC_URL",
    "DATABASE_URL",
    "AUTO_MIGRATE",
    "SESSION_STORE",
    "REDIS_URL",
    "SESSION_ROLLING_SECONDS",
    "SESSION_ABSOLUTE_SECONDS",
    "PREVIOUS_SECRET_KEYS",
    "ALLOW_PLAINTEXT",
    "TRUSTED_PROXIES",
    "METRICS_ADDRESS",
    "SSL_CERT_FILE",
    "ROCKET_SECRET_KEY",
    "ROCKET_PROFILE",
];

/// The settings that `<key>_FILE` can name a file for instead.
pub(super) const SECRETS: [&str; 6] = [
    "AUTH0_CLIENT_SECRET",
    "OIDC_CLIENT_SECRET",
    "ROCKET_SECRET_KEY",
    "PREVIOUS_SECRET_KEYS",
    "DATABASE_URL",
    "REDIS_URL",
];

/// What Rocket's own keys start with.
pub(super) const ROCKET: &str = "ROCKET_";

/// One thing that is wrong with the settings. Holds no value, for it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, as the environment spells it.
    pub key: String,
    /// Where the value came from; `None` where it is missing.
    pub source: Option<String>,
    /// What is expected.
    pub expected: String,
    /// A hint, if this is one of the usual mistakes.
    pub hint: Option<&'static str>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, source, expected, hint } = self;
        match source {
            Some(source) => write!(f, "{key} (from {source}): expected {expected}")?,
            None => write!(f, "{key} (not set): expected {expected}")?,
        }
        hint.map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

/// All that is wrong with the settings, and warnings that may explain it.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>, pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(problems, warnings) = self;
        let plural = if problems.len() == 1 { "" } else { "s" };
        write!(f, "{} problem{plural} with the settings:", problems.len())?;
        for problem in problems {
            write!(f, "\n  - {problem}")?;
        }
        warnings.iter().try_for_each(|warning| write!(f, "\n  warning: {warning}"))
    }
}

pub(super) struct Reader {
    figment: Figment,
    problems: Vec<Problem>,
    /// The secrets whose file cannot be used: they are not missing as well.
    unread: Vec<&'static str>,
}

impl Reader {
    pub(super) fn new(figment: Figment) -> Self {
        Self { figment, problems: Vec::new(), unread: Vec::new() }
    }

    /// A misspelt key in the file would otherwise be a setting that silently does nothing.
    pub(super) fn refuse_unknown_keys(&mut self) {
        match self.figment.extract::<figment::value::Dict>() {
            Ok(all) => {
                for key in all.keys() {
                    let upper = key.to_ascii_uppercase();
                    let lower = *key == key.to_ascii_lowercase();
                    if !lower || !(unknown::is_setting(&upper) || key == MAPPING) {
                        let source = self.source(key);
                        let expected = "a known key, in lower case".to_owned();
                        self.problems.push(Problem {
                            key: key.clone(),
                            source,
                            expected,
                            hint: None,
                        });
                    }
                }
            }
            // A line of the file may hold a secret: say where, not what.
            Err(error) => {
                let source = error.metadata.as_ref().and_then(|data| data.source.as_ref());
                let path = source.and_then(|source| source.file_path());
                let name = path.and_then(Path::file_name).map(|name| name.to_string_lossy());
                self.problems.push(Problem {
                    key: name.map_or_else(|| "Portico.toml".into(), Cow::into_owned),
                    source: Some(path.map_or("the file".into(), |path| path.display().to_string())),
                    expected: "a file that can be read, with valid TOML".into(),
                    hint: None,
                });
            }
        }
    }

    /// Reads the secrets that a setting `<key>_FILE` names a file for.
    pub(super) fn read_secret_files(&mut self) {
        for key in SECRETS {
            let file_key = format!("{key}_FILE");
            let Some(path) = self.text(&file_key) else { continue };
            if self.text(key).is_some() {
                self.refuse(&file_key, &format!("either this or {key}, not both"));
                continue;
            }
            match files::read_secret(Path::new(&path)) {
                Some(secret) => {
                    let source = Text::new(format!("{path}, by {file_key}"), [(key, secret)]);
                    self.figment = self.figment.clone().merge(source);
                }
                None => {
                    let expected = "a file that can be read, with one line of UTF-8 text";
                    self.refuse(&file_key, expected);
                    self.unread.push(key);
                }
            }
        }
    }

    /// Whether this is Rocket's `debug` profile, the default of a debug build.
    pub(super) fn is_debug(&self) -> bool {
        self.text("ROCKET_PROFILE").map_or(cfg!(debug_assertions), |profile| profile == "debug")
    }

    /// The value as text; `None` where it is absent.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        match self.figment.find_value(&key.to_ascii_lowercase()).ok()? {
            Value::String(_, text) => (!text.trim().is_empty()).then(|| text.trim().to_owned()),
            Value::Bool(_, flag) => Some(flag.to_string()),
            Value::Num(_, number) => number
                .to_i128()
                .map(|number| number.to_string())
                .or_else(|| number.to_u128().map(|number| number.to_string())),
            _ => Some(String::new()),
        }
    }

    /// The table of this name, whose values are arrays of texts or one text; `None` in the place of
    /// any other value. `None` where there is no such table; where it is something else, that is
    /// noted as a problem.
    pub(super) fn table(&mut self, name: &str) -> Option<Vec<(String, Option<Vec<String>>)>> {
        let Value::Dict(_, table) = self.figment.find_value(name).ok()? else {
            self.refuse(name, "a table");
            return None;
        };
        let text = |value| match value {
            Value::String(_, text) => Some(text),
            _ => None,
        };
        let texts = |value| match value {
            Value::Array(_, all) => all.into_iter().map(text).collect(),
            one => text(one).map(|text| vec![text]),
        };
        Some(table.into_iter().map(|(key, value)| (key, texts(value))).collect())
    }

    /// The parsed value; `None` where it is absent or, noted as a problem, malformed.
    pub(super) fn parsed<T>(
        &mut self,
        key: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(key)?;
        let value = parse(&text);
        if value.is_none() {
            self.refuse(key, expected);
        }
        value
    }

    /// Like [`Reader::parsed`], but absence is a problem too.
    pub(super) fn required<T>(
        &mut self,
        key: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        if self.text(key).is_none() {
            self.missing(key, expected);
        }
        self.parsed(key, expected, parse)
    }

    /// Notes that something is missing.
    pub(super) fn missing(&mut self, key: &str, expected: &str) {
        if !self.unread.contains(&key) {
            self.refuse(key, expected);
        }
    }

    /// Notes that the value is not what it should be.
    pub(super) fn refuse(&mut self, key: &str, expected: &str) {
        let source = self.source(&key.to_ascii_lowercase());
        let hint = self.text(key).and_then(|value| hints::hint(key, &value));
        self.problems.push(Problem { key: key.into(), source, expected: expected.into(), hint });
    }

    /// Rocket's own settings over Portico's defaults for them.
    pub(super) fn rocket(&self) -> Figment {
        // Without Rocket's own figment, which reads `Rocket.toml` also from the folders above.
        let mut rocket = Figment::from(rocket::Config::default()).merge(("port", 4040));
        // With `mercy` 10 seconds, as long as a request to the provider may take.
        rocket = rocket.merge(("shutdown.grace", 7));
        if let Some(profile) = self.text("ROCKET_PROFILE") {
            rocket = rocket.select(profile);
        }
        let all = self.figment.extract::<figment::value::Dict>().unwrap_or_default();
        for (key, value) in all {
            let Some(name) = key.strip_prefix("rocket_") else { continue };
            if matches!(name, "secret_key" | "secret_key_file" | "profile") {
                continue;
            }
            // Text is read as Rocket reads its environment: numbers, lists and tables.
            let value = match value {
                Value::String(_, text) => match text.parse::<Value>() {
                    Ok(value) => value,
                    Err(never) => match never {},
                },
                other => other,
            };
            rocket = rocket.merge((name.to_owned(), value));
        }
        rocket
    }

    /// What was noted.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Every setting that has a value, in the order of [`KEYS`].
    pub(super) fn given(&self) -> Vec<GivenValue> {
        let given = |key: String| {
            let text = self.text(&key)?;
            let is_file = text.starts_with("sqlite://");
            let value = (!SECRETS.contains(&&*key) || is_file).then_some(text);
            let source = self.source(&key.to_ascii_lowercase()).unwrap_or_default();
            Some(GivenValue { key, source, value })
        };
        unknown::settings().into_iter().filter_map(given).collect()
    }

    fn source(&self, key: &str) -> Option<String> {
        let metadata = self.figment.find_metadata(key)?;
        Some(match &metadata.source {
            Some(source) => source.to_string(),
            None => metadata.name.to_string(),
        })
    }
}
