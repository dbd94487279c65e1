//! Numbered events, as they are stored and published.

use roboppi_ipc::{UtcMillis, WorkerEvent};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{AttemptRef, RunEvent};

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalRecord {
    /// `seq`: 1 for the first, without holes.
    #[serde(deserialize_with = "number")]
    pub seq: u64,
    /// `ts`: the supervisor's clock.
    pub ts: UtcMillis,
    /// `event`.
    pub event: RunEvent,
}

/// One event of an attempt: a line of its event file, or live.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// `seq`: rises within the attempt. In the file there are holes where output was.
    #[serde(deserialize_with = "number")]
    pub seq: u64,
    /// `ts`: the core's clock.
    pub ts: UtcMillis,
    /// `at`: length of the attempt's log when the event was made.
    #[serde(deserialize_with = "number")]
    pub at: u64,
    /// `event`.
    pub event: WorkerEvent,
}

/// Where in the file of another program a record is from: `mark` of its line, absent from all others. Of the reports of one file those
/// after the last mark in the record are not recorded yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceMark {
    /// `from`: the file, by a name that no other file has.
    pub from: String,
    /// `pos`: the position in it, which rises.
    pub pos: u64,
    /// `part`: the number among the reports of the same position.
    #[serde(default)]
    pub part: u32,
}

impl SourceMark {
    /// Whether it is after another one of the same file.
    #[must_use]
    pub fn is_after(&self, other: &Self) -> bool {
        (self.pos, self.part) > (other.pos, other.part)
    }
}

/// A number of a record or a length. Nobody counts to 2^53; who finds more in a file has found damage, and one such number
/// would hide all that comes after it.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(from)?;
    if number < 1 << 53 {
        return Ok(number);
    }
    Err(D::Error::custom(format_args!("{number} is too great for a number of a record")))
}

/// Anything a view is folded from.
#[derive(Clone, Debug, PartialEq)]
pub enum RunRecord {
    /// From the journal.
    Journal(JournalRecord),
    /// From an attempt.
    Attempt(AttemptRef, AttemptRecord),
}

#[cfg(test)]
mod tests {
    use roboppi_ipc::Progress;

    use super::*;

    #[test]
    fn a_number_that_nobody_counts_to_is_damage() {
        let journal =
            |seq: u64| format!(r#"{{"seq":{seq},"ts":1,"event":{{"type":"warning","message":"m"}}}}"#);
        assert_eq!(
            serde_json::from_str::<JournalRecord>(&journal((1 << 53) - 1)).unwrap().seq,
            (1 << 53) - 1
        );
        for seq in [1 << 53, u64::MAX] {
            let error = serde_json::from_str::<JournalRecord>(&journal(seq)).unwrap_err().to_string();
            assert!(error.contains(&format!("{seq} is too great")), "{error}");
        }
        let read = |seq: u64, at: u64| {
            let message = "m".to_owned();
            let event = WorkerEvent::Progress(Progress::new(message));
            let text = serde_json::to_string(&AttemptRecord { seq, ts: UtcMillis(1), at, event }).unwrap();
            serde_json::from_str::<AttemptRecord>(&text).map_err(|error| error.to_string())
        };
        assert!(read(1, 1).is_ok(), "{:?}", read(1, 1));
        for (seq, at) in [(u64::MAX, 1), (1, u64::MAX)] {
            assert!(read(seq, at).unwrap_err().contains("too great"));
        }
    }
}
