//! What can go wrong with a record.

use std::io;
use std::path::{Path, PathBuf};

use roboppi_run::RunId;
use thiserror::Error;

/// Why something could not be recorded or read. Each text says what happened, where, and what to do.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: `read`, `write`, `create` …
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no such run.
    #[error("no run `{text}` in {}", runs_dir.display())]
    RunNotFound {
        /// What was asked for.
        text: String,
        /// Where was looked.
        runs_dir: PathBuf,
    },
    /// The beginning of an id fits several runs.
    #[error("`{text}` may be {}; give more of the id", list(candidates))]
    AmbiguousRun {
        /// What was asked for.
        text: String,
        /// Runs it may mean, newest first.
        candidates: Vec<RunId>,
    },
    /// Something is there already that must be made anew.
    #[error("{} exists already; it belongs to another writer and was left as it is", path.display())]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// Something in the place of a file or directory of the record that roboppi did not put there.
    #[error(
        "{} is a symbolic link or a special file; a record holds neither, so it was not followed and not read",
        path.display()
    )]
    NotPlain {
        /// What is there.
        path: PathBuf,
    },
    /// The disk is nearly full, and what is left belongs to others.
    #[error(
        "{} is not written any further: {free} bytes are free on its disk, and {least} are to stay free; make room, \
         or let less stay free",
        path.display()
    )]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// Bytes that are free.
        free: u64,
        /// Bytes that must stay free.
        least: u64,
    },
    /// The log has reached its bound.
    #[error(
        "{} is not written any further: it has reached its bound, and its file system cannot give a part of it back",
        path.display()
    )]
    LogFull {
        /// The file.
        path: PathBuf,
    },
    /// The directory was written by a newer roboppi.
    #[error(
        "{} has format {found}, this roboppi reads up to {known}; use the version that wrote it, or a later one",
        path.display()
    )]
    NewerFormat {
        /// Its `run.json`.
        path: PathBuf,
        /// Format of the directory.
        found: u32,
        /// Newest format known here.
        known: u32,
    },
    /// A file or a line that is not what it should be. In a file of lines those after it can still be read.
    #[error("{}:{line}: not what roboppi writes: {source}; the file was left as it is", path.display())]
    BadJson {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: u64,
        /// What the decoder says.
        source: serde_json::Error,
    },
    /// A record that cannot be written as JSON.
    #[error("cannot write a record to {}: {source}", path.display())]
    Encode {
        /// The file it was for.
        path: PathBuf,
        /// What the encoder says.
        source: serde_json::Error,
    },
    /// A run of the same id is there already.
    #[error("there is a run {id} already")]
    RunExists {
        /// The id.
        id: RunId,
    },
    /// A file that is no run somebody exported, or one that cannot be taken in.
    #[error("{} was not imported: {problem}", path.display())]
    BadExport {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// An exported run that is larger than is taken in.
    #[error("{} was not taken in: it holds more than {bytes} bytes", path.display())]
    ExportTooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes that are taken in, unpacked.
        bytes: u64,
    },
    /// A path of attempt files that is not `steps/<step>/<name>` in the allowed letters.
    #[error(
        "`{base}` cannot name the files of an attempt: it must be steps/<step>/<name>, each of 1 to 240 \
         letters, digits, `%`, `.`, `_` and `-`, not starting with a dot"
    )]
    BadBase {
        /// What was given.
        base: String,
    },
}

impl RecordError {
    /// Whether a file is not what was written, rather than not to be had.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        use io::ErrorKind::{InvalidData, UnexpectedEof};

        match self {
            Self::Io { source, .. } => matches!(source.kind(), InvalidData | UnexpectedEof),
            Self::BadJson { .. } | Self::BadBase { .. } | Self::NotPlain { .. } => true,
            _ => false,
        }
    }

    /// Turns an error of the system into one with a place, for `map_err`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

fn list(candidates: &[RunId]) -> String {
    const SHOWN: usize = 5;
    let mut text = candidates.iter().take(SHOWN).map(RunId::as_str).collect::<Vec<_>>().join(", ");
    if let Some(more) = candidates.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
