//! The log: one line an event on the standard error output.

use log::LevelFilter;

/// Starts the log. `level` is Rocket's word for it (`off`, `critical`, `normal`, `debug`).
///
/// Rocket's own lines about requests are left out below its errors: they hold whole addresses,
/// and with them authorization codes.
pub fn start(level: Option<&str>) {
    let level = match level {
        Some("off") => LevelFilter::Off,
        Some("critical") => LevelFilter::Warn,
        Some("debug") => LevelFilter::Debug,
        _ => LevelFilter::Info,
    };
    // Tests start several sites in one process: the first log stays.
    let _ = env_logger::Builder::new()
        .filter_module("portico", level)
        .filter_module("portico_adapters", level)
        .filter_level(LevelFilter::Warn.min(level))
        .filter_module("rocket", LevelFilter::Off)
        .filter_module("rocket_dyn_templates", LevelFilter::Error.min(level))
        .try_init();
}
