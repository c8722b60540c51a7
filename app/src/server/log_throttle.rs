use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Time between two lines about the same thing.
const PERIOD: Duration = Duration::from_secs(10);

/// Counts what may happen very often, so that the log gets one line in ten seconds.
#[derive(Default)]
pub(super) struct LogThrottle(Mutex<(u64, Option<Instant>)>);

impl LogThrottle {
    /// Counts one more. The number since the last line, if it is time for another one.
    pub(super) fn count(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += 1;
        if state.1.is_some_and(|last| last.elapsed() < PERIOD) {
            return None;
        }
        state.1 = Some(Instant::now());
        Some(std::mem::take(&mut state.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_the_first_and_counts_the_rest() {
        let throttle = LogThrottle::default();
        assert_eq!(throttle.count(), Some(1));
        assert_eq!((throttle.count(), throttle.count()), (None, None));
        throttle.0.lock().unwrap().1 = None;
        assert_eq!(throttle.count(), Some(3));
    }
}
