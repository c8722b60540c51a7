use portico_domain::model::{Check, CheckStatus};
use serde::Serialize;

use crate::{cli::output::plain, config::Problem};

/// What was tried, in order.
#[derive(Default)]
pub(super) struct Report {
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    area: &'static str,
    name: String,
    status: Status,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    setting: Option<RefusedSetting>,
}

/// The parts of a setting's problem.
#[derive(Serialize)]
struct RefusedSetting {
    key: String,
    /// `null`: it is not set.
    source: Option<String>,
    expected: String,
    hint: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warning,
    Failed,
    Skipped,
}

impl From<CheckStatus> for Status {
    fn from(status: CheckStatus) -> Self {
        match status {
            CheckStatus::Passed => Self::Ok,
            CheckStatus::Warning => Self::Warning,
            CheckStatus::Failed => Self::Failed,
            CheckStatus::Skipped => Self::Skipped,
        }
    }
}

impl Status {
    /// The word in the table, and its colour on a terminal.
    fn shown(self) -> (&'static str, &'static str) {
        match self {
            Self::Ok => ("ok", "32"),
            Self::Warning => ("warn", "33"),
            Self::Failed => ("FAIL", "31"),
            Self::Skipped => ("skip", "2"),
        }
    }
}

const HEADINGS: [&str; 4] = ["AREA", "RESULT", "CHECK", "DETAILS"];

impl Report {
    pub(super) fn add(&mut self, area: &'static str, check: Check) {
        let Check { name, status, text } = check;
        self.add_named(area, name.to_owned(), status, text);
    }

    pub(super) fn add_all(&mut self, area: &'static str, checks: Vec<Check>) {
        checks.into_iter().for_each(|check| self.add(area, check));
    }

    pub(super) fn add_named(
        &mut self,
        area: &'static str,
        name: String,
        status: CheckStatus,
        text: String,
    ) {
        self.rows.push(Row { area, name, status: status.into(), text, setting: None });
    }

    pub(super) fn add_problem(&mut self, problem: &Problem) {
        let Problem { key, source, expected, hint } = problem.clone();
        // The key has a column of its own.
        let text = problem.to_string();
        let text = text.strip_prefix(&format!("{key} ")).unwrap_or(&text).to_owned();
        self.rows.push(Row {
            area: "settings",
            name: key.clone(),
            status: Status::Failed,
            text,
            setting: Some(RefusedSetting { key, source, expected, hint }),
        });
    }

    pub(super) fn has_failures(&self) -> bool {
        self.count(Status::Failed) > 0
    }

    fn count(&self, status: Status) -> usize {
        self.rows.iter().filter(|row| row.status == status).count()
    }

    /// Aligned lines; with headings and colours on a terminal.
    pub(super) fn lines(&self, on_terminal: bool) -> Vec<String> {
        let width = |heading: &str, cell: fn(&Row) -> usize| {
            self.rows.iter().map(cell).chain([heading.len()]).max().unwrap_or(0)
        };
        let area = width(HEADINGS[0], |row| row.area.len());
        let result = HEADINGS[1].len();
        let name = width(HEADINGS[2], |row| row.name.chars().count());
        let mut lines = Vec::new();
        if on_terminal {
            let [first, second, third, last] = HEADINGS;
            lines.push(format!(
                "\u{1b}[1m{first:area$}  {second:result$}  {third:name$}  {last}\u{1b}[0m"
            ));
        }
        for row in &self.rows {
            let (word, colour) = row.status.shown();
            let mut word = format!("{word:result$}");
            if on_terminal {
                word = format!("\u{1b}[{colour}m{word}\u{1b}[0m");
            }
            let (shown, text) = (plain(&row.name), plain(&row.text));
            lines.push(format!("{:area$}  {word}  {shown:name$}  {text}", row.area));
        }
        let (failed, warnings) = (self.count(Status::Failed), self.count(Status::Warning));
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        lines.push(format!(
            "{failed} failure{}, {warnings} warning{}",
            plural(failed),
            plural(warnings)
        ));
        lines
    }

    pub(super) fn to_json(&self) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Document<'r> {
            ok: bool,
            checks: &'r [Row],
        }
        serde_json::to_string_pretty(&Document { ok: !self.has_failures(), checks: &self.rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::default();
        report.add("database", Check::passed("reachable", "here"));
        report.add("sessions", Check::warning("role", "an \u{1b}[31mevil\ntext"));
        report
    }

    #[test]
    fn aligns_columns_and_drops_control_characters() {
        let lines = report().lines(false);
        assert_eq!(lines[0], "database  ok      reachable  here");
        assert_eq!(lines[1], "sessions  warn    role       an \u{FFFD}[31mevil\u{FFFD}text");
        assert_eq!(lines[2], "0 failures, 1 warning");
    }

    #[test]
    fn has_headings_and_colours_on_terminal_only() {
        let lines = report().lines(true);
        assert!(lines[0].contains("AREA      RESULT  CHECK      DETAILS"), "{lines:?}");
        assert!(lines[1].contains("\u{1b}[32mok    \u{1b}[0m"), "{lines:?}");
    }

    #[test]
    fn warnings_do_not_fail() {
        let mut report = report();
        assert!(!report.has_failures());
        report.add("API", Check::failed("public", "no answer"));
        assert!(report.has_failures());
        assert!(report.to_json().unwrap().contains("\"ok\": false"));
    }
}
