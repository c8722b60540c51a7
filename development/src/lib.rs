//! An OpenID Connect provider and a messages API for development and tests, on 127.0.0.1 only.
//!
//! [`DevelopmentServers`] starts both, stops and restarts each, counts their requests, and switches
//! faults on ([`Fault`]) or a [`Dialect`]. Nothing is stored on disk: accounts, sessions and keys live as long as the
//! `DevelopmentServers`. Their initial accounts are in a file, see [`DevelopmentAccount::read`]. The site talks to them through the same adapters as to any provider.
//!
//! Modules depend on each other in one direction: `accounts_file`, `settings` and `error`, `model` (the state),
//! `web` (guards and fairings), `endpoints` and `messages_api`, `server` (one Rocket instance),
//! `servers` (both).
//!
//! Both servers are Rocket instances and share the process's logger. If none is set before
//! [`DevelopmentServers::start`], Rocket installs its own, with output switched off.

mod accounts_file;
mod endpoints;
mod error;
mod messages_api;
mod model;
mod server;
mod servers;
mod settings;
mod web;

pub use accounts_file::{DevelopmentAccount, InvalidAccounts};
pub use error::StartError;
pub use model::dialect::{Dialect, UnknownDialect};
pub use model::faults::{Fault, Faults};
pub use model::signing_key::{SigningError, SigningKey};
pub use servers::DevelopmentServers;
pub use settings::{DevelopmentSettings, RegisteredClient};
