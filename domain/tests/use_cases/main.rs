//! The use cases and the session model, against mocks and fakes of the ports.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

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
mod session;
mod support;
