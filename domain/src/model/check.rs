/// One thing that an adapter has tried for real, for `portico check`. The text is for the operator: it
/// holds no secret, and names no user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was tried, in a few words: `writable`, `clock`.
    pub name: &'static str,
    /// Whether it works.
    pub status: CheckStatus,
    /// What was found; of a failure the cause and, where it is clear, the remedy.
    pub text: String,
}

/// Whether what was tried works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckStatus {
    /// It works.
    Passed,
    /// It works, and may cause trouble.
    Warning,
    /// It does not work.
    Failed,
    /// It could not be tried, because something before it failed.
    Skipped,
}

impl Check {
    /// It works.
    pub fn passed(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, status: CheckStatus::Passed, text: text.into() }
    }

    /// It works, and may cause trouble.
    pub fn warning(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, status: CheckStatus::Warning, text: text.into() }
    }

    /// It does not work.
    pub fn failed(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, status: CheckStatus::Failed, text: text.into() }
    }

    /// It could not be tried.
    pub fn skipped(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, status: CheckStatus::Skipped, text: text.into() }
    }

    /// Passed with this text, or failed with the error's.
    pub fn of<E: std::fmt::Display>(
        name: &'static str,
        text: impl Into<String>,
        result: Result<(), E>,
    ) -> Self {
        match result {
            Ok(()) => Self::passed(name, text),
            Err(cause) => Self::failed(name, cause.to_string()),
        }
    }
}
