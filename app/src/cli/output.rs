//! Standard output and standard error. Either may be closed, or a pipe that nobody reads any more,
//! where `println!` and `eprintln!` panic.

use std::{
    fmt::Display,
    io::{self, Write},
};

/// Writes a line of what the command was asked for.
///
/// # Errors
/// When standard output does not take the line: what was asked for is then incomplete.
pub(super) fn print(line: impl Display) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

/// Writes a line that only accompanies the work, which goes on if nobody reads the line.
pub(super) fn tell(line: impl Display) {
    let _ = print(line);
}

/// Writes an error for the operator. Where standard error is closed, the exit code alone has to do.
pub(super) fn complain(error: impl Display) {
    let _ = writeln!(io::stderr(), "portico: {error}");
}
