//! The table of the adapters a core has.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use roboppi_ipc::WorkerKind;

use crate::{ClaudeAdapter, CodexAdapter, CustomAdapter, GeminiAdapter, OpenCodeAdapter, WorkerAdapter};

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
