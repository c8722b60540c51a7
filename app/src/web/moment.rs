use chrono::{DateTime, Utc};
use serde::Serialize;

/// A moment, for the element `time`: the script puts it into the visitor's words and time zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// RFC 3339, in UTC, to the second: the attribute `datetime`.
    machine: String,
    /// What stands there without the script, in UTC to the minute: `24 November 2026, 03:05 UTC`.
    words: String,
}

impl From<DateTime<Utc>> for Moment {
    fn from(moment: DateTime<Utc>) -> Self {
        Self {
            machine: moment.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            words: moment.format("%-d %B %Y, %H:%M UTC").to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_for_machines_and_for_people() {
        let moment = Moment::from(DateTime::<Utc>::UNIX_EPOCH);
        assert_eq!(moment.machine, "1970-01-01T00:00:00Z");
        assert_eq!(moment.words, "1 January 1970, 00:00 UTC");
    }
}
