//! Portico's web application: Rocket in front, the use cases behind.
//!
//! [`config`] reads the settings, [`assemble()`] puts an adapter behind each port, `router`
//! builds a Rocket of them, [`server`] serves it, [`cli`] is the command line. A request meets one of three modules: [`site`]
//! holds the application's own pages, [`sign_in`] log-in and log-out with the guards that pages
//! use, [`web`] what all pages have in common; [`metrics`] counts what happens.

mod assemble;
pub mod cli;
pub mod config;
#[cfg(feature = "development")]
mod development;
pub mod logging;
pub mod metrics;
mod ports;
mod router;
mod secret_key;
pub mod server;
pub mod sign_in;
pub mod site;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod web;

pub use assemble::{AssembleError, Assembly, assemble, open_database};
pub use ports::{About, Ports};
pub use sign_in::guards;
