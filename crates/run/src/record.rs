//! Numbered events, as they are stored and published.

use roboppi_ipc::{UtcMillis, WorkerEvent};
use serde::{Deserialize, Serialize};

use crate::{AttemptRef, RunEvent};

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalRecord {
    /// `seq`: 1 for the first, without holes.
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
    pub seq: u64,
    /// `ts`: the core's clock.
    pub ts: UtcMillis,
    /// `at`: length of the attempt's log when the event was made.
    pub at: u64,
    /// `event`.
    pub event: WorkerEvent,
}

/// Anything a view is folded from.
#[derive(Clone, Debug, PartialEq)]
pub enum RunRecord {
    /// From the journal.
    Journal(JournalRecord),
    /// From an attempt.
    Attempt(AttemptRef, AttemptRecord),
}
