//! Standard output and standard error. Either may be closed, or a pipe without a reader,
//! where `println!` and `eprintln!` panic.

use std::{
    fmt::Display,
    io::{self, Write},
};

/// Writes a line of the command's result.
///
/// # Errors
/// When standard output cannot be written: the result is then incomplete.
pub(super) fn print(line: impl Display) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

/// Writes a status line; an error is ignored, because the command's work does not depend on it.
pub(super) fn print_status(line: impl Display) {
    let _ = print(line);
}

/// Writes an error for the operator. Where standard error is closed, the exit code reports it.
pub(super) fn print_error(error: impl Display) {
    let _ = writeln!(io::stderr(), "portico: {error}");
}
