//! What the domain needs of the outside: one trait with its errors a file.
//!
//! Absence is a value and an outage is an error: `Ok(None)` is an answer, `Err` is none.

mod clock;
mod identity_provider;
mod login_attempts;
mod message_api;
mod randomness;
mod replay_guard;
mod session_registry;
mod session_store;
mod user_repository;

pub use clock::Clock;
pub use identity_provider::{
    IdentityProvider, LogoutTokenError, ProviderUnavailable, RedeemError, RefreshError,
    UnmetRequirement,
};
pub use login_attempts::LoginAttempts;
pub use message_api::{MessageApi, MessageError, RefusalReason};
pub use randomness::{Randomness, RandomnessUnavailable};
pub use replay_guard::ReplayGuard;
pub use session_registry::SessionRegistry;
pub use session_store::{
    Renewal, SaveSessionError, SessionStore, SessionsUnavailable, TokenRenewal,
};
pub use user_repository::{UserRepository, UsersUnavailable};

#[cfg(feature = "testing")]
pub use self::{
    clock::MockClock, identity_provider::MockIdentityProvider, login_attempts::MockLoginAttempts,
    message_api::MockMessageApi, randomness::MockRandomness, replay_guard::MockReplayGuard,
    session_registry::MockSessionRegistry, session_store::MockSessionStore,
    user_repository::MockUserRepository,
};
