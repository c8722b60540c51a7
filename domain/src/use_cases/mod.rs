//! What people do. Each use case is a struct of the ports that it needs, with one `run`.

mod begin_login;
mod complete_login;
mod end_by_provider;
mod end_in_browser;
mod log_out;
mod manage_sessions;
mod read_message;
mod refresh_session;
mod who_is_visiting;

pub use begin_login::{BeginLogin, BeginLoginError, Begun};
pub use complete_login::{CompleteLogin, LoginError};
pub use end_by_provider::{EndByProvider, EndByProviderError};
pub use end_in_browser::{EndInBrowser, EndInBrowserError};
pub use log_out::{LogOut, LoggedOut};
pub use manage_sessions::ManageSessions;
pub use read_message::{ReadMessage, ReadMessageError};
pub use refresh_session::{RefreshFailed, RefreshSession};
pub use who_is_visiting::WhoIsVisiting;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::ports::{Randomness, RandomnessUnavailable};

/// 256 random bits as 43 characters of base64url: fit for `state`, `nonce` and, by RFC 7636,
/// section 4.1, `code_verifier`.
fn random_text(randomness: &dyn Randomness) -> Result<String, RandomnessUnavailable> {
    Ok(URL_SAFE_NO_PAD.encode(randomness.bytes()?))
}
