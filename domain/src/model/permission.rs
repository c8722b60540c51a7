//! What a person may do.

use serde::{Deserialize, Serialize};

/// A permission such as `read:admin-messages`, as the provider names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Permission(String);

impl Permission {
    /// Takes the provider's name for it.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The provider's name for it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
