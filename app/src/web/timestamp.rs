use chrono::{DateTime, Utc};
use serde::Serialize;

/// A point in time for the element `time`. The script formats it in the visitor's language and time
/// zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Timestamp {
    /// RFC 3339, in UTC, to the second: the attribute `datetime`.
    datetime: String,
    /// The text without the script, in UTC to the minute: `24 November 2026, 03:05 UTC`.
    text: String,
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self {
            datetime: time.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            text: time.format("%-d %B %Y, %H:%M UTC").to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_time_for_machine_and_reader() {
        let timestamp = Timestamp::from(DateTime::<Utc>::UNIX_EPOCH);
        assert_eq!(timestamp.datetime, "1970-01-01T00:00:00Z");
        assert_eq!(timestamp.text, "1 January 1970, 00:00 UTC");
    }
}
