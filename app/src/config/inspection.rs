//! The settings as far as they can be read, for `portico check`.

use std::path::Path;

use super::{Environment, Files, Problem, Problems, Reader, Settings};

/// What was read, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The settings, with the default in the place of each value that is refused. `None` where not
    /// even the defaults fit together. Never serve a site with them unless there are no problems.
    pub settings: Option<Settings>,
    /// All that is wrong.
    pub problems: Vec<Problem>,
    /// What looks like a setting and is none; no values.
    pub warnings: Vec<String>,
    /// Every value that was given, also those that are refused.
    pub given: Vec<GivenValue>,
    /// Whether the provider could be read: else a placeholder is in its place.
    pub(super) has_provider: bool,
}

/// A setting that is not the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenValue {
    /// The key, as the environment spells it.
    pub key: String,
    /// Where it came from.
    pub source: String,
    /// The value; `None` where it may hold a secret.
    pub value: Option<String>,
}

impl Inspection {
    /// As [`Settings::load`], without an end at the first problem.
    pub fn load(config: Option<&Path>) -> Self {
        let environment = Environment::new(std::env::vars_os());
        if let Some(file) = config {
            return Self::of_files(Files::only(file), &environment);
        }
        let here = Files::of(Path::new(""));
        let is_debug = |files: &Files| Reader::new(files.figment(&environment).0).is_debug();
        if !is_debug(&here) {
            return Self::of_files(here, &environment);
        }
        let all = here.or_above();
        let is_switched_off = !is_debug(&all);
        let mut inspection = Self::of_files(all.clone(), &environment);
        if is_switched_off {
            // Parent folders are read in the debug profile only, so a file there must not switch it off.
            let mut read = Reader::new(all.figment(&environment).0);
            read.refuse("ROCKET_PROFILE", "it in the environment or the working directory");
            inspection.problems = read.into_problems();
            inspection.settings = None;
        }
        inspection
    }

    pub(super) fn of_files(files: Files, environment: &Environment) -> Self {
        let (figment, Problems(mut problems, warnings)) = files.figment(environment);
        let mut inspection = Settings::inspect(figment);
        if let Some(settings) = &mut inspection.settings {
            settings.files = files.paths();
            settings.warnings.clone_from(&warnings);
        }
        problems.append(&mut inspection.problems);
        Self { problems, warnings, ..inspection }
    }

    /// The settings, if nothing is wrong with them.
    ///
    /// # Errors
    /// [`Problems`]: all of them.
    pub fn into_settings(self) -> Result<Settings, Problems> {
        match self.settings {
            Some(settings) if self.problems.is_empty() && self.has_provider => Ok(settings),
            _ => Err(Problems(self.problems, self.warnings)),
        }
    }
}
