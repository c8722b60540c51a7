//! Request counters.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// The number of requests to each endpoint, and of some events.
#[derive(Debug, Default)]
pub(crate) struct RequestCounts(Mutex<HashMap<&'static str, usize>>);

impl RequestCounts {
    /// Adds one.
    pub(crate) fn count(&self, endpoint: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(endpoint).or_default() += 1;
    }

    /// The count so far.
    pub(crate) fn of(&self, endpoint: &str) -> usize {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(endpoint).copied().unwrap_or_default()
    }
}
