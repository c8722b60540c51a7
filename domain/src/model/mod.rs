//! The values of the use cases.

mod authorization_parameters;
mod check;
mod claim_path;
mod claims;
mod entry_rules;
mod login_attempt;
mod login_loop;
mod logout_token;
mod message;
mod next_page;
mod permission;
mod permission_rules;
mod secret;
mod session;
mod user;

pub use authorization_parameters::{AuthorizationParameters, InvalidParameter, LinkParameters};
pub use check::{Check, CheckStatus};
pub use claim_path::ClaimPath;
pub use claims::{Claims, Profile};
pub use entry_rules::{EmailDomain, EntryRefusal, EntryRules, RequiredClaim};
pub use login_attempt::{AuthorizationResponse, Callback, LoginAttempt, ProviderRefusal, Screen};
pub use login_loop::LoginLoopGuard;
pub use logout_token::{LogoutTarget, LogoutToken};
pub use message::{Message, Reader, Topic};
pub use next_page::NextPage;
pub use permission::{ClaimSource, Grant, Permission, Permissions, SITE_PERMISSIONS};
pub use permission_rules::{PermissionDecision, PermissionRules, StatedClaims};
pub use secret::{
    AccessToken, AuthorizationCode, CodeVerifier, IdToken, Nonce, RefreshToken, State,
};
pub use session::{
    InvalidSessionId, Lifetimes, RefreshedTokens, Revocation, Session, SessionChange, SessionId,
    SessionSummary, Tokens,
};
pub use user::{CLOCK_LEEWAY, Identity, Subject, User};
