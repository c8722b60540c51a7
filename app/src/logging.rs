//! The log: one line an event on the standard error output.

use std::io::Write;

use log::LevelFilter;

/// Starts the log. `level` is Rocket's word for it (`off`, `critical`, `normal`, `debug`).
///
/// Rocket's own lines are left out: they hold whole addresses, and with them authorization codes.
pub fn start(level: Option<&str>) {
    let level = match level {
        Some("off") => LevelFilter::Off,
        Some("critical") => LevelFilter::Warn,
        Some("debug") => LevelFilter::Debug,
        _ => LevelFilter::Info,
    };
    // Tests start several sites in one process: the first log stays.
    let _ = env_logger::Builder::new()
        .filter_level(LevelFilter::Warn.min(level))
        .filter_module("portico", level)
        .filter_module("portico_adapters", level)
        .filter_module("rocket", LevelFilter::Off)
        .filter_module("rocket_dyn_templates", LevelFilter::Error.min(level))
        .format(|out, record| {
            // What Rocket's attributes generate speaks in the name of our modules, and quotes queries.
            if record.target().starts_with("portico") && record.target().ends_with("::_") {
                return Ok(());
            }
            let (time, level, target) = (out.timestamp_millis(), record.level(), record.target());
            // A foreign text must not be able to write lines of its own.
            let text = record.args().to_string().replace(char::is_control, " ");
            writeln!(out, "{time} {level:5} {target}: {text}")
        })
        .try_init();
}
