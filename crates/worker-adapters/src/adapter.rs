//! The trait of an adapter.

use roboppi_ipc::WorkerTask;
use thiserror::Error;

use crate::{CommandSpec, WorkerDescription, WorkerSession};

/// Knows one kind of worker.
pub trait WorkerAdapter: Send + Sync + 'static {
    /// The kind of worker it serves, and what is to be known of it. Always the same.
    fn describe(&self) -> WorkerDescription;

    /// The command that does `task`.
    ///
    /// # Errors
    /// When the task asks for something the program cannot do; the job then fails without a worker.
    fn plan(&self, task: &WorkerTask) -> Result<CommandSpec, PlanError>;

    /// The state that goes with one worker while it runs.
    fn session(&self, task: &WorkerTask) -> Box<dyn WorkerSession>;
}

/// Why there is no command for a task: a fragment that fits after "cannot plan the worker: ".
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct PlanError {
    message: String,
}

impl PlanError {
    /// An error with its sentence.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}
