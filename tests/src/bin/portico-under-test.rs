//! Portico as a process of its own, for tests that need several, or kill one.

use std::process::ExitCode;

fn main() -> ExitCode {
    portico::cli::run()
}
