//! Permissions.

use serde::{Deserialize, Serialize};

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
