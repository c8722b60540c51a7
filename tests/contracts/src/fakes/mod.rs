//! Adapters in memory that keep the contracts of their ports.
#![allow(clippy::unwrap_used, reason = "misuse fails the test")]

mod identity;
mod messages;
mod sessions;
mod users;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

pub use self::{
    identity::InMemoryProvider,
    messages::InMemoryMessages,
    sessions::{InMemoryBrowser, InMemorySite},
    users::InMemoryUsers,
};
use portico_domain::ports::{Clock, Randomness, RandomnessUnavailable};

/// A clock that stays at the epoch until a test moves it.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Moves the clock forward; back with a negative delta. Whole seconds.
    pub fn advance(&self, by: TimeDelta) {
        self.0.fetch_add(by.num_seconds(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(self.0.load(Ordering::SeqCst))
    }
}

/// Counts instead of being random: no value twice, and the same values in every run.
#[derive(Debug, Default)]
pub struct CountingRandomness(AtomicU64);

impl Randomness for CountingRandomness {
    fn bytes(&self) -> Result<[u8; 32], RandomnessUnavailable> {
        let mut bytes = [0; 32];
        let count = self.0.fetch_add(1, Ordering::SeqCst);
        bytes[..8].copy_from_slice(&count.to_le_bytes());
        Ok(bytes)
    }
}
