//! What the inside asks of the world: one trait and its errors a file.
//!
//! Absence is a value and an outage is an error: `Ok(None)` is an answer, `Err` is none.

mod clock;
mod identity_provider;
mod message_api;
mod randomness;
mod session_registry;
mod session_store;
mod user_repository;

pub use clock::Clock;
pub use identity_provider::{
    IdentityProvider, LogoutTokenError, ProviderUnavailable, RedeemError, RefreshError,
};
pub use message_api::{MessageApi, MessageError};
pub use randomness::{Randomness, RandomnessUnavailable};
pub use session_registry::SessionRegistry;
pub use session_store::{SessionStore, SessionsUnavailable, Turn};
pub use user_repository::{UserRepository, UsersUnavailable};

#[cfg(feature = "testing")]
pub use self::{
    clock::MockClock, identity_provider::MockIdentityProvider, message_api::MockMessageApi,
    randomness::MockRandomness, session_registry::MockSessionRegistry,
    session_store::MockSessionStore, user_repository::MockUserRepository,
};
