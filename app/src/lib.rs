//! Portico's web application: Rocket in front, the use cases behind.
//!
//! [`config`] reads the settings, [`assemble()`] puts an adapter behind each port, [`site()`] makes
//! the Rocket of them, [`cli`] runs it. [`routes`], [`guards`], [`catchers`] and [`views`] are what
//! a request meets.

mod assemble;
pub mod assets;
pub mod catchers;
pub mod cli;
pub mod client_address;
mod compression;
pub mod config;
#[cfg(feature = "development")]
mod development;
mod fairings;
pub mod guards;
pub mod logging;
mod ports;
pub mod routes;
mod secret_key;
pub mod server;
mod site;
pub mod theme;
pub mod views;

pub use assemble::{AssembleError, Assembly, assemble, open_database};
pub use ports::{About, Ports};
pub use site::site;
