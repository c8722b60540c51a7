//! Standard output and standard error. Either may be closed, or a pipe without a reader,
//! where `println!` and `eprintln!` panic.

use std::{
    fmt::Display,
    fs,
    io::{self, Write},
    path::Path,
};

/// Fails where standard output was closed (`>&-`), for commands that only print.
///
/// Rust's runtime opens the null device in place of a closed standard output before `main`, so that
/// every write succeeds. It opens it for reading and writing; `> /dev/null` opens it for writing only.
/// Some programs start others with the former, too: commands whose exit code says more than that they
/// printed do not call this.
///
/// # Errors
/// As above. Only Linux tells how a file was opened; elsewhere a closed output is not noticed.
pub(super) fn require_open() -> io::Result<()> {
    if is_null_for_reading_too() {
        return Err(io::Error::other("standard output is closed: nothing was printed"));
    }
    Ok(())
}

fn is_null_for_reading_too() -> bool {
    let is_null = fs::read_link("/proc/self/fd/1").is_ok_and(|path| path == Path::new("/dev/null"));
    let Ok(description) = fs::read_to_string("/proc/self/fdinfo/1") else { return false };
    // The access mode is the last octal digit: 0 for reading, 1 for writing, 2 for both.
    let flags = description.lines().find_map(|line| line.strip_prefix("flags:"));
    is_null && flags.is_some_and(|flags| flags.ends_with('2'))
}

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

/// Text from outside, which must not steer the operator's terminal.
pub(super) fn plain(text: &str) -> String {
    text.replace(char::is_control, "\u{FFFD}")
}
