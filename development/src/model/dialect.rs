//! The dialects: what the provider can answer like.

use std::{
    collections::BTreeMap,
    fmt,
    str::FromStr,
    sync::{LazyLock, PoisonError, RwLock},
};

use super::overrides::Overrides;

/// A vendor whose documented behaviour the provider imitates: metadata, claims, client
/// authentication, errors, refresh tokens and log-out. Addresses, subjects and keys stay the
/// provider's own.
///
/// The file `dialects.json` beside this one lists the differences and their sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Auth0.
    Auth0,
    /// Keycloak.
    Keycloak,
    /// Microsoft Entra ID, one tenant, tokens of version 2.0.
    EntraId,
    /// Google.
    Google,
    /// Okta, a custom authorization server.
    Okta,
    /// Amazon Cognito user pools.
    Cognito,
    /// Ory Hydra.
    Hydra,
    /// dex.
    Dex,
}

/// Malformed only if the file is, which a test excludes.
static DIALECTS: LazyLock<BTreeMap<String, Overrides>> =
    LazyLock::new(|| serde_json::from_str(include_str!("dialects.json")).unwrap_or_default());

static NO_OVERRIDES: LazyLock<Overrides> = LazyLock::new(Overrides::default);

impl Dialect {
    /// All dialects.
    pub const ALL: [Self; 8] = [
        Self::Auth0,
        Self::Keycloak,
        Self::EntraId,
        Self::Google,
        Self::Okta,
        Self::Cognito,
        Self::Hydra,
        Self::Dex,
    ];

    /// The name, such as `entra-id`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auth0 => "auth0",
            Self::Keycloak => "keycloak",
            Self::EntraId => "entra-id",
            Self::Google => "google",
            Self::Okta => "okta",
            Self::Cognito => "cognito",
            Self::Hydra => "hydra",
            Self::Dex => "dex",
        }
    }

    /// Settings with which Portico connects to this vendor, as names and values, such as
    /// `PERMISSIONS_CLAIMS`. Empty where the defaults suffice.
    #[must_use]
    pub fn settings(self) -> &'static BTreeMap<String, String> {
        &self.overrides().settings
    }

    pub(crate) fn overrides(self) -> &'static Overrides {
        DIALECTS.get(self.name()).unwrap_or(&NO_OVERRIDES)
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of no dialect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown dialect {0:?}")]
pub struct UnknownDialect(String);

impl FromStr for Dialect {
    type Err = UnknownDialect;

    /// # Errors
    /// [`UnknownDialect`] for any text but the name of a dialect.
    fn from_str(name: &str) -> Result<Self, UnknownDialect> {
        let dialect = Self::ALL.into_iter().find(|dialect| dialect.name() == name);
        dialect.ok_or_else(|| UnknownDialect(name.into()))
    }
}

/// The dialect that is on, if any.
#[derive(Debug, Default)]
pub(crate) struct CurrentDialect(RwLock<Option<Dialect>>);

impl CurrentDialect {
    /// The dialect; `None` for the provider's own behaviour.
    pub(crate) fn get(&self) -> Option<Dialect> {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, dialect: Option<Dialect>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = dialect;
    }

    /// The dialect's overrides; without a dialect, none.
    pub(crate) fn overrides(&self) -> &'static Overrides {
        self.get().map_or(&NO_OVERRIDES, Dialect::overrides)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_is_in_the_file_with_its_sources() {
        let file: BTreeMap<String, Overrides> =
            serde_json::from_str(include_str!("dialects.json")).unwrap();
        assert_eq!(file.len(), Dialect::ALL.len());
        for dialect in Dialect::ALL {
            let overrides = &file[dialect.name()];
            assert!(!overrides.vendor.is_empty() && !overrides.sources.is_empty(), "{dialect}");
            assert_eq!(dialect.to_string().parse(), Ok(dialect));
        }
        assert_eq!("Keycloak".parse::<Dialect>(), Err(UnknownDialect("Keycloak".into())));
    }
}
