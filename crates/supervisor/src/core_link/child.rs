//! The process of a core, however it was made.

use std::io;
use std::process::ExitStatus;

use roboppi_process::forked::ForkedProcess;
use tokio::process::Child;

/// A child of this process that is a core, or its guard.
#[derive(Debug)]
pub(super) enum CoreChild {
    /// A program.
    Started(Box<Child>),
    /// A fork of this one.
    Forked(ForkedProcess),
}

impl CoreChild {
    /// Its pid; `None` once it was reaped, so that a stranger with its number is never hit.
    pub(super) fn id(&self) -> Option<u32> {
        match self {
            Self::Started(child) => child.id(),
            Self::Forked(process) => process.pid(),
        }
    }

    /// Waits for its end, and reaps it. May be dropped and called again.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        match self {
            Self::Started(child) => child.wait().await,
            Self::Forked(process) => process.wait().await,
        }
    }
}
