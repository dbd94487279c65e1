//! The trait of an adapter, and the table of all adapters.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use roboppi_ipc::{WorkerKind, WorkerTask};
use thiserror::Error;

use crate::{
    ClaudeAdapter, CodexAdapter, CommandSpec, CustomAdapter, GeminiAdapter, OpenCodeAdapter, WorkerSession,
};

/// Knows one worker program.
pub trait WorkerAdapter: Send + Sync + 'static {
    /// The kind of worker it serves.
    fn kind(&self) -> WorkerKind;

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

/// The adapters a core has, one per kind.
#[derive(Clone, Default)]
pub struct Adapters {
    by_kind: BTreeMap<WorkerKind, Arc<dyn WorkerAdapter>>,
}

impl Adapters {
    /// No adapter at all.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// The adapters that come with roboppi.
    #[must_use]
    pub fn builtin() -> Self {
        let mut adapters = Self::empty();
        adapters.add(ClaudeAdapter);
        adapters.add(CodexAdapter);
        adapters.add(OpenCodeAdapter);
        adapters.add(GeminiAdapter);
        adapters.add(CustomAdapter);
        adapters
    }

    /// Adds an adapter; one of the same kind is replaced.
    pub fn add(&mut self, adapter: impl WorkerAdapter) {
        self.by_kind.insert(adapter.kind(), Arc::new(adapter));
    }

    /// The adapter of a kind.
    #[must_use]
    pub fn get(&self, kind: WorkerKind) -> Option<Arc<dyn WorkerAdapter>> {
        self.by_kind.get(&kind).cloned()
    }

    /// The kinds that can be run.
    pub fn kinds(&self) -> impl Iterator<Item = WorkerKind> + '_ {
        self.by_kind.keys().copied()
    }
}

impl fmt::Debug for Adapters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_kind.keys()).finish()
    }
}
