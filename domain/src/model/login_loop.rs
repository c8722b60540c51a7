//! Recognises a browser that is sent back and forth between the site and the provider.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// Counts log-ins that succeeded and yet left the browser without a session: that is what a loop
/// looks like, for example where the session cookie is blocked. Log-ins that were started and not
/// finished do not count, so that any number of tabs may begin one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginLoopGuard {
    /// When a log-in last succeeded, in seconds since 1970; `None` once the browser came back.
    completed_at: Option<i64>,
    /// When the browser came back without a session, in seconds since 1970.
    returned_at: Vec<i64>,
}

impl LoginLoopGuard {
    /// A browser that comes back later than this after a log-in is in no loop.
    pub const WINDOW: TimeDelta = TimeDelta::minutes(1);

    /// Number of returns within [`Self::WINDOW`] that make a loop.
    pub const MAX_RETURNS: usize = 3;

    /// Records a log-in that succeeded.
    pub fn record_success(&mut self, now: DateTime<Utc>) {
        self.completed_at = Some(now.timestamp());
    }

    /// Records that a browser without a session begins a log-in, and says whether it is in a loop.
    pub fn record_return(&mut self, now: DateTime<Utc>) -> bool {
        let is_recent = |at: &i64| {
            let age = now.timestamp().checked_sub(*at);
            age.is_some_and(|age| (0..Self::WINDOW.num_seconds()).contains(&age))
        };
        self.returned_at.retain(is_recent);
        if self.completed_at.take().is_some_and(|at| is_recent(&at)) {
            self.returned_at.push(now.timestamp());
        }
        self.returned_at.len() >= Self::MAX_RETURNS
    }

    /// Whether there is nothing to remember.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn third_return_after_success_is_a_loop() {
        let mut guard = LoginLoopGuard::default();
        for (second, is_loop) in [(0, false), (10, false), (20, true), (30, true)] {
            guard.record_success(at(second));
            assert_eq!(guard.record_return(at(second + 1)), is_loop, "after {second} s");
        }
    }

    #[test]
    fn unfinished_logins_are_no_loop() {
        let mut guard = LoginLoopGuard::default();
        assert!((0..50).all(|second| !guard.record_return(at(second))));
    }

    #[test]
    fn parallel_successes_are_no_loop() {
        let mut guard = LoginLoopGuard::default();
        (0..20).for_each(|second| guard.record_success(at(second)));
        assert!(!guard.record_return(at(21)));
    }

    #[test]
    fn returns_are_forgotten_after_a_minute() {
        let mut guard = LoginLoopGuard::default();
        for minute in 0..10 {
            guard.record_success(at(minute * 61));
            assert!(!guard.record_return(at(minute * 61 + 59)));
            assert!(!guard.record_return(at(minute * 61 + 60)));
        }
    }
}
