//! Adapters of the port `MessageApi`.

mod http;
mod local;

pub use self::{
    http::{HttpMessages, InvalidBaseUrl},
    local::LocalMessages,
};
