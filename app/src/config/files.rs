//! The files that settings come from.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use figment::{
    Figment,
    providers::{Format, Toml},
};

use super::{
    env_file,
    reader::{Problem, Problems},
    sources::{Environment, Text},
    unknown,
};

const ENV: &str = ".env";
const TOML: &str = "Portico.toml";

/// The largest file that is read, in bytes.
const MAX_SIZE: u64 = 65_536;

/// A file of `KEY=value` lines over a TOML file. Either may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    toml: Option<PathBuf>,
    env: Option<PathBuf>,
}

impl Files {
    /// `.env` and `Portico.toml` of this folder; of the working directory for an empty path.
    pub(super) fn of(folder: &Path) -> Self {
        let file = |name| Some(folder.join(name)).filter(|file| file.is_file());
        Self { toml: file(TOML), env: file(ENV) }
    }

    /// For each of the two that is missing, the nearest one in the folders above the working
    /// directory.
    pub(super) fn or_above(self) -> Self {
        let here = std::env::current_dir().unwrap_or_default();
        let above = |name| {
            here.ancestors().skip(1).map(|folder| folder.join(name)).find(|file| file.is_file())
        };
        Self { toml: self.toml.or_else(|| above(TOML)), env: self.env.or_else(|| above(ENV)) }
    }

    /// This file only: TOML where its name ends in `.toml`, else lines of `KEY=value`.
    pub(super) fn only(file: &Path) -> Self {
        let file = file.to_owned();
        if file.extension().is_some_and(|extension| extension == "toml") {
            Self { toml: Some(file), env: None }
        } else {
            Self { toml: None, env: Some(file) }
        }
    }

    /// Their paths.
    pub(super) fn paths(self) -> Vec<PathBuf> {
        self.toml.into_iter().chain(self.env).collect()
    }

    /// Their settings with those of the environment over them, and what is wrong with the files and
    /// the environment. A fault within the TOML file shows when a value is read.
    pub(super) fn figment(&self, environment: &Environment) -> (Figment, Problems) {
        let mut figment = Figment::new();
        let mut problems = Vec::new();
        let mut warnings = Vec::new();
        if let Some(file) = &self.toml {
            // A missing or unreadable file is reported like a malformed one.
            if std::fs::metadata(file).is_ok_and(|data| data.len() > MAX_SIZE) {
                problems.push(problem(file, None, "a file of at most 64 KiB"));
            } else {
                figment = figment.merge(Toml::file_exact(file));
            }
        }
        if let Some(file) = &self.env {
            let name = file.display().to_string();
            match read_lines(file) {
                Ok(lines) => {
                    warnings = unknown::warnings(lines.iter().map(|(key, _)| &**key), &name);
                    figment = figment.merge(Text::new(name, lines));
                }
                Err(problem) => problems.push(problem),
            }
        }
        problems.extend_from_slice(environment.problems());
        warnings.extend(environment.warnings());
        (figment.merge(environment.text()), Problems(problems, warnings))
    }
}

fn problem(file: &Path, line: Option<usize>, expected: &str) -> Problem {
    let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
    let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
    let source = Some(format!("{}{line}", file.display()));
    Problem { key: name, source, expected: expected.into(), hint: None }
}

/// The pairs of the file.
fn read_lines(file: &Path) -> Result<Vec<(String, String)>, Problem> {
    let content = read_limited(file)
        .map_err(|_| problem(file, None, "a file that can be read, of at most 64 KiB"))?;
    // The line itself may hold a secret.
    let expected = "KEY=value in UTF-8, each quote closed on the same line or a later one";
    env_file::pairs(&content).map_err(|line| problem(file, Some(line), expected))
}

/// The line of text in a file. One end of line after it does not count. `None` for a file that is
/// empty, has more lines, is too large or cannot be read.
pub(super) fn read_secret(file: &Path) -> Option<String> {
    // Reading a pipe would wait for its writer.
    let content = file.is_file().then(|| read_limited(file))?.ok()?;
    let text = String::from_utf8(content).ok()?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    (!line.trim().is_empty() && !line.contains(char::is_control)).then(|| line.to_owned())
}

fn read_limited(file: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let size = File::open(file)?.take(MAX_SIZE + 1).read_to_end(&mut content)?;
    if size as u64 > MAX_SIZE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(content)
}
