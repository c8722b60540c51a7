use chrono::{DateTime, Utc};

/// The current time; injected so that tests can set it.
#[cfg_attr(feature = "testing", mockall::automock)]
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> DateTime<Utc>;
}
