//! The use cases and the session model, against mocks and fakes of the ports.

mod begin_login;
mod complete_login;
mod end_by_provider;
mod end_in_browser;
mod log_out;
mod manage_sessions;
mod read_message;
mod refresh_session;
mod session;
mod who_is_visiting;
