//! `portico check`: tries the settings and everything that they name.

mod dependencies;
mod report;
mod settings;

use std::{io::IsTerminal, path::Path, process::ExitCode};

use self::report::Report;
use super::{Failed, output};
use crate::{config::Inspection, logging};

/// Tries the settings, the database, the session store, the provider and the API for real, as far as
/// the settings can be read. In the release profile it creates nothing.
pub(super) fn run(config: Option<&Path>, json: bool) -> Result<ExitCode, Failed> {
    let inspection = Inspection::load(config);
    let log_level = inspection.settings.as_ref().and_then(|settings| settings.log_level.as_deref());
    logging::start(log_level);
    let mut report = Report::default();
    settings::examine(&inspection, &mut report);
    if let Some(settings) = &inspection.settings {
        let is_refused = |key: &str| {
            inspection.problems.iter().any(|problem| {
                problem.key.strip_suffix("_FILE").unwrap_or(&problem.key) == key
                    || problem.key == key
            })
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(dependencies::examine(settings, &is_refused, &mut report));
    }
    if json {
        output::print(report.to_json()?)?;
    } else {
        report.lines(std::io::stdout().is_terminal()).iter().try_for_each(output::print)?;
    }
    Ok(if report.has_failures() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
