//! The machine's clock and random generator.

use chrono::{DateTime, Utc};
use portico_domain::ports::{Clock, Randomness, RandomnessUnavailable};

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the adapter of the Clock port")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// The operating system's random generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    fn bytes(&self) -> Result<[u8; 32], RandomnessUnavailable> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| RandomnessUnavailable(error.to_string()))?;
        Ok(bytes)
    }
}
