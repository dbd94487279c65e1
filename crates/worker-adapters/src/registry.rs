//! The table of the adapters a core has.

use std::fmt;
use std::sync::Arc;

use roboppi_ipc::WorkerKind;

use crate::{
    ClaudeAdapter, CodexAdapter, CustomAdapter, GeminiAdapter, OpenCodeAdapter, WorkerAdapter,
    WorkerDescription,
};

/// The adapters a core has, one per kind.
#[derive(Clone, Default)]
pub struct Adapters {
    /// In the order in which they were added; few enough to be searched.
    entries: Vec<(WorkerDescription, Arc<dyn WorkerAdapter>)>,
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
        let entry: (_, Arc<dyn WorkerAdapter>) = (adapter.describe(), Arc::new(adapter));
        match self.entries.iter_mut().find(|(known, _)| known.kind == entry.0.kind) {
            Some(known) => *known = entry,
            None => self.entries.push(entry),
        }
    }

    /// The adapter of a kind.
    #[must_use]
    pub fn get(&self, kind: WorkerKind) -> Option<Arc<dyn WorkerAdapter>> {
        let (_, adapter) = self.entries.iter().find(|(known, _)| known.kind == kind)?;
        Some(Arc::clone(adapter))
    }

    /// What its adapter says of a kind.
    #[must_use]
    pub fn description(&self, kind: WorkerKind) -> Option<&WorkerDescription> {
        self.descriptions().find(|known| known.kind == kind)
    }

    /// What the adapters say of their kinds, in the order in which they were added.
    pub fn descriptions(&self) -> impl Iterator<Item = &WorkerDescription> + '_ {
        self.entries.iter().map(|(description, _)| description)
    }
}

impl fmt::Debug for Adapters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.descriptions().map(|description| description.kind)).finish()
    }
}
