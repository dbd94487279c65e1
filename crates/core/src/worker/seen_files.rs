//! What the state of a worker knows of the files of its workspace.

use std::collections::BTreeSet;
use std::path::PathBuf;

use roboppi_workspace::{Report, Watcher};

/// Changes of files, while the worker runs and at its end.
#[derive(Debug, Default)]
pub(super) struct SeenFiles {
    pub(super) watcher: Option<Watcher>,
    /// The directory as the worker was given it.
    pub(super) given: PathBuf,
    /// Files that are an event already.
    pub(super) announced: BTreeSet<String>,
    /// What was found at the end.
    pub(super) report: Option<Report>,
}
