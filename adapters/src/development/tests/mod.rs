//! Everything by HTTP, as the site and its visitors would.

mod api;
mod browser;
mod faults;
mod login;
mod tokens;
mod world;
