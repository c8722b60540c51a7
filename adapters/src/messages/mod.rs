//! Adapters of the port `MessageApi`.

mod http;
mod local;

pub use http::{HttpMessages, InvalidAddress};
pub use local::LocalMessages;
