//! What the records of a foreign file report.

use roboppi_ipc::WorkerKind;
use serde::{Deserialize, Serialize};

use crate::{Emission, Stamp};

/// Whose report it is: the reports of a session are one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Session {
    /// What distinguishes it from the others of the same file. Empty where a file has one only.
    pub id: String,
    /// Where it works, if the file names it.
    #[serde(default)]
    pub cwd: Option<String>,
}

impl Session {
    /// The session of this id.
    #[must_use]
    pub fn of(id: impl Into<String>) -> Self {
        Self { id: id.into(), cwd: None }
    }
}

/// One report.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Whose it is.
    pub session: Session,
    /// When it was made, if the file states it.
    pub at: Option<Stamp>,
    /// What it reports.
    pub emission: Emission,
    /// The kind of worker of a step that begins with it.
    pub worker: Option<WorkerKind>,
}

/// What was counted of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// `lines` that were read.
    pub lines: u64,
    /// `bad`: lines that are no record, and are kept as they are.
    pub bad: u64,
    /// `filtered`: events of categories that were not asked for.
    pub filtered: u64,
    /// `truncated`: how often the file became shorter, so that something of it may be missing.
    pub truncated: u64,
    /// `refused`: reports that could not be recorded.
    pub refused: u64,
}
