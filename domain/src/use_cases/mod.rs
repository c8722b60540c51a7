//! What the site does. Each use case is a struct of the ports that it needs, with one `run`.

mod back_channel_logout;
mod begin_login;
mod complete_login;
mod delete_user;
mod front_channel_logout;
mod load_session;
mod log_out;
mod manage_sessions;
mod read_message;
mod refresh_session;
mod revoke_sessions;

pub use back_channel_logout::{BackChannelLogout, BackChannelLogoutError};
pub use begin_login::{BeginLogin, BeginLoginError, BeginLoginOutcome, LoginRequest};
pub use complete_login::{CompleteLogin, FailedLogin, LoginError};
pub use delete_user::{DeleteUser, DeleteUserError};
pub use front_channel_logout::{FrontChannelLogout, FrontChannelLogoutError};
pub use load_session::LoadSession;
pub use log_out::{LogOut, LogOutOutcome};
pub use manage_sessions::ManageSessions;
pub use read_message::{ReadMessage, ReadMessageError};
pub use refresh_session::{RefreshSession, RefreshSessionError};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::ports::{Randomness, RandomnessUnavailable};

/// 256 random bits as 43 characters of base64url, which suits `state`, `nonce` and `code_verifier`
/// (RFC 7636, section 4.1).
fn random_text(randomness: &dyn Randomness) -> Result<String, RandomnessUnavailable> {
    Ok(URL_SAFE_NO_PAD.encode(randomness.bytes()?))
}
