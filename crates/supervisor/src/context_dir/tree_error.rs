//! What goes wrong with files that are copied or read.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use roboppi_record::RecordError;
use rustix::fs::FileType;
use rustix::io::Errno;
use thiserror::Error;

/// Why a file or directory was not read or written. Names the path that is meant.
#[derive(Debug, Error)]
pub(crate) enum TreeError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} is a symbolic link, which is not followed there", path.display())]
    Link { path: PathBuf },
    #[error("{} is a symbolic link that leads out of {}, to {}", path.display(), root.display(), target.display())]
    Outside { path: PathBuf, root: PathBuf, target: PathBuf },
    #[error("{} is {what}, which cannot be an artifact", path.display())]
    Special { path: PathBuf, what: &'static str },
    #[error("{} holds the context directory; name a directory inside the workspace", path.display())]
    HoldsContext { path: PathBuf },
    #[error("{} is in the context directory; name a directory elsewhere", path.display())]
    InContext { path: PathBuf },
    #[error("{} is nested more than {most} directories deep", path.display())]
    TooDeep { path: PathBuf, most: usize },
    #[error("{} was moved while it was being removed", path.display())]
    Moved { path: PathBuf },
    #[error("{} was not put there by a run, and none may replace it: move it, or rename the step or the output", path.display())]
    Foreign { path: PathBuf },
    #[error(transparent)]
    NoRoom(#[from] RecordError),
    #[error("stopped at {}", path.display())]
    Stopped { path: PathBuf },
}

impl TreeError {
    pub(super) fn of(path: impl Into<PathBuf>) -> impl FnOnce(Errno) -> Self {
        |errno| Self::Io { path: path.into(), source: errno.into() }
    }

    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Io { path: path.into(), source }
    }

    /// Whether nothing is where something was looked for.
    pub(super) fn is_absence(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

impl From<TreeError> for io::Error {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Io { source, .. } => source,
            other => Self::other(other),
        }
    }
}

/// A file that is neither a regular file nor a directory nor a link, in words.
pub(super) const fn special(kind: FileType) -> &'static str {
    match kind {
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "a special file",
    }
}

/// A name in a directory, and what it is.
pub(super) type Named = (OsString, FileType);
