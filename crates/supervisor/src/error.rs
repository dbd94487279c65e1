//! Why a run could not begin.

use std::io;
use std::path::PathBuf;

use roboppi_record::RecordError;
use thiserror::Error;

/// Why a run could not begin. Nothing was started.
#[derive(Debug, Error)]
pub enum StartError {
    /// The workspace is not a directory one can work in.
    #[error("cannot use the workspace {}: {source}", path.display())]
    Workspace {
        /// The workspace.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The context directory cannot be made or written.
    #[error("cannot write to the context directory {}: {source}", path.display())]
    ContextDir {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another run works in the context directory, whose artifacts this one would take over.
    #[error("{run} is using the context directory {}", path.display())]
    ContextInUse {
        /// The directory.
        path: PathBuf,
        /// The run that uses it, in words.
        run: String,
    },
    /// The run may not work on the git branch of its workspace.
    #[error("{why}")]
    Branch {
        /// Why, one line.
        why: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// There is no place for the record, not even a temporary one.
    #[error("cannot keep a record of the run: {0}")]
    Record(#[from] RecordError),
    /// A temporary directory could not be made.
    #[error("cannot keep a record of the run, and no temporary directory can be made: {0}")]
    Temporary(#[source] io::Error),
    /// Signals or timers of the system are not available.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
}
