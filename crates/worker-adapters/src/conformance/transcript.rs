//! What a worker printed, and how it ended.

use roboppi_ipc::{OutputStream, WorkerTask};

use super::cuts;
use crate::ExitKind;

/// A recorded life of a worker, and what the kit is to know about its program.
#[derive(Clone, Debug)]
pub struct Transcript {
    pub(super) task: WorkerTask,
    pub(super) chunks: Vec<(OutputStream, Vec<u8>)>,
    pub(super) exit: ExitKind,
    pub(super) prompt_is_argument: bool,
    complete_after: Option<usize>,
}

impl Transcript {
    /// A worker that printed nothing and exited with 0.
    #[must_use]
    pub const fn new(task: WorkerTask) -> Self {
        Self {
            task,
            chunks: Vec::new(),
            exit: ExitKind::Code(0),
            prompt_is_argument: false,
            complete_after: None,
        }
    }

    /// Adds what it then printed on standard output.
    #[must_use]
    pub fn stdout(mut self, bytes: &[u8]) -> Self {
        self.chunks.push((OutputStream::Stdout, bytes.to_vec()));
        self
    }

    /// Adds what it then printed on standard error.
    #[must_use]
    pub fn stderr(mut self, bytes: &[u8]) -> Self {
        self.chunks.push((OutputStream::Stderr, bytes.to_vec()));
        self
    }

    /// Sets how it ended.
    #[must_use]
    pub const fn exit(mut self, exit: ExitKind) -> Self {
        self.exit = exit;
        self
    }

    /// States that the worker had said its own end after `lines` lines of standard output, so that being cut off later
    /// by exit 0 may count as a success. Without this that is so after all of them. A program that has no end of its own
    /// and is judged by its exit code alone says 0.
    #[must_use]
    pub const fn complete_after(mut self, lines: usize) -> Self {
        self.complete_after = Some(lines);
        self
    }

    /// States that the program can take its instructions as an argument only, so that they are seen in the list of
    /// processes.
    #[must_use]
    pub const fn prompt_is_argument(mut self) -> Self {
        self.prompt_is_argument = true;
        self
    }

    pub(super) fn own_end(&self) -> usize {
        self.complete_after.unwrap_or_else(|| cuts::lines(&self.chunks))
    }
}
