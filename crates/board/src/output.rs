//! Output of workers, as lines of a list.

use std::sync::Arc;

use roboppi_ipc::{OutputStream, UtcMillis};
use roboppi_run::RunId;

/// A line that a worker printed. Its text is that of the log, shortened, and not safe to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputLine {
    /// Its number on the board that has it, from 1; 0 before that.
    pub number: u64,
    /// When it was printed, if that is known.
    pub at: Option<UtcMillis>,
    /// The run.
    pub run: RunId,
    /// What to call the run.
    pub run_name: Arc<str>,
    /// The step.
    pub step: Arc<str>,
    /// Where it was printed.
    pub stream: OutputStream,
    /// What it says.
    pub text: String,
    /// Lines before it that are in the log and are not listed.
    pub skipped: u64,
}
