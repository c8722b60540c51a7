//! The files that settings come from.

use std::path::{Path, PathBuf};

use figment::{
    Figment,
    providers::{Format, Toml},
};

use super::{
    env_file,
    reader::Problem,
    sources::{Environment, Text},
};

const ENV: &str = ".env";
const TOML: &str = "Portico.toml";

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

    /// Their settings with those of the environment over them, and what is wrong with the lines of
    /// `KEY=value`. A fault of the TOML file shows when a value is read.
    pub(super) fn figment(&self, environment: &Environment) -> (Figment, Option<Problem>) {
        let mut figment = Figment::new();
        let mut broken = None;
        if let Some(file) = &self.toml {
            figment = figment.merge(Toml::file_exact(file));
        }
        if let Some(file) = &self.env {
            let (lines, problem) = read_lines(file);
            figment = figment.merge(Text::new(file.display().to_string(), lines));
            broken = problem;
        }
        (figment.merge(environment.text()), broken)
    }
}

/// The pairs of the file; none where it cannot be read.
fn read_lines(file: &Path) -> (Vec<(String, String)>, Option<Problem>) {
    let problem = |source: String, expected: &str| {
        let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
        (Vec::new(), Some(Problem { key: name, source: Some(source), expected: expected.into() }))
    };
    let Ok(content) = std::fs::read(file) else {
        return problem(file.display().to_string(), "a file that can be read");
    };
    match env_file::pairs(&content) {
        Ok(pairs) => (pairs, None),
        // The line itself may hold a secret.
        Err(line) => problem(
            format!("{}, line {line}", file.display()),
            "KEY=value in UTF-8, each quote closed on the same line or a later one",
        ),
    }
}
