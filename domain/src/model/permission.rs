//! Permissions, and the claims that grant them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The permissions that this site itself asks for. A mapping in the settings may name these only, so
/// that a misspelt one is noticed: add yours where a page of yours needs one.
pub const SITE_PERMISSIONS: [&str; 1] = ["read:admin-messages"];

/// A permission such as `read:admin-messages`, as the provider names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Permission(String);

impl Permission {
    /// The permission with this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Its name at the provider.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What states a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClaimSource {
    /// The ID token.
    IdToken,
    /// The answer of the userinfo endpoint.
    Userinfo,
    /// The access token, where it is a JWT of the provider with a valid signature.
    AccessToken,
}

impl fmt::Display for ClaimSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IdToken => "ID token",
            Self::Userinfo => "userinfo",
            Self::AccessToken => "access token",
        })
    }
}

/// What one claim grants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// What stated the claim.
    pub source: ClaimSource,
    /// The path of the claim, as the settings name it.
    pub claim: String,
    /// What it grants.
    pub permissions: Vec<Permission>,
}

/// What a user may do, and by which claims. Each permission is listed once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permissions {
    grants: Vec<Grant>,
    only_referred: Vec<String>,
}

impl Permissions {
    /// These grants, and the names of claims that the provider only refers to instead of stating
    /// them (OpenID Connect Core, section 5.6.2): they grant nothing.
    pub fn new(grants: Vec<Grant>, only_referred: Vec<String>) -> Self {
        Self { grants, only_referred }
    }

    /// Whether it is among them.
    pub fn contains(&self, permission: &Permission) -> bool {
        self.grants.iter().any(|grant| grant.permissions.contains(permission))
    }

    /// The claims that grant something.
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// The claims that were only referred to.
    pub fn only_referred(&self) -> &[String] {
        &self.only_referred
    }

    /// Whether a claim of this source grants something.
    pub fn come_from(&self, source: ClaimSource) -> bool {
        self.grants.iter().any(|grant| grant.source == source)
    }
}
