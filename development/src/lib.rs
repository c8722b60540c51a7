//! The outside world in a box, for development and tests: an OpenID provider and a messages API,
//! each on 127.0.0.1 only.
//!
//! [`World`] starts both, stops and restarts each, counts what is asked of them, and has them
//! misbehave ([`Fault`]). Nothing is kept on disk: accounts, sessions and keys live as long as
//! the `World`. The site speaks to it with the same adapters as to any provider.
//!
//! Both servers are Rocket instances and share the process's logger. Where none is set before
//! [`World::start`], Rocket sets its own, silenced.

mod accounts;
mod api;
mod faults;
mod hits;
mod keys;
mod logout_token;
mod parameters;
mod provider;
mod server;
mod world;

pub use faults::{Fault, Faults};
pub use world::{Client, World, WorldError, WorldSettings};
