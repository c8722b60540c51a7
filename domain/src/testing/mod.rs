//! What tests need: named mocks (beside the ports), fakes that keep their promises, example
//! values, and the ports' contracts.

pub mod contract;
mod examples;
mod fakes;

pub use examples::{ISSUER, attempt, identity, session, session_at, user};
pub use fakes::{
    CountingRandomness, InMemoryMessages, InMemoryProvider, InMemorySessions, InMemorySite,
    InMemoryUsers, SetClock,
};
