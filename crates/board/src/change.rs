//! What changes a board.

use std::sync::Arc;

use roboppi_run::RunId;

use crate::{EventRow, OutputLine, RunRow};

/// One change of what is known of all runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A run is new, or is different from what it was.
    Row(Arc<RunRow>),
    /// The record of a run is gone.
    Removed(RunId),
    /// Something was recorded of a live run.
    Event(EventRow),
    /// A worker of a live run printed a line; only when output is followed.
    Output(OutputLine),
    /// Something cannot be read; a sentence for people. The rest is shown. `None` once it can.
    Problem(Option<String>),
    /// All runs that there were at the beginning are known.
    Listed,
}
