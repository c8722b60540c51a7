//! The development servers, over HTTP.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

mod api;
mod client;
mod faults;
mod login;
mod servers;
mod tokens;
