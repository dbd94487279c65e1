//! Which watched directories overlap, so that a change of two agents is ascribed to neither.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::cause::Reported;

/// Other agents that are remembered of one. With more of them no change is ascribed to a tool call.
const OTHERS: usize = 64;

/// The directories that are watched now.
#[derive(Clone, Debug, Default)]
pub struct Workspaces(Arc<Mutex<Vec<Watched>>>);

/// A workspace and what the steps in it share.
type Watched = (PathBuf, Weak<Overlap>);

/// What the thread of a watcher and its owner have in common.
#[derive(Debug, Default)]
pub(crate) struct Overlap {
    pub(crate) reported: Mutex<Reported>,
    /// Agents that were at work in the same files at some time.
    others: Mutex<Vec<Arc<Overlap>>>,
}

impl Overlap {
    pub(crate) fn others(&self) -> Vec<Arc<Self>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether there were more others than are remembered.
    pub(crate) fn has_too_many(others: &[Arc<Self>]) -> bool {
        others.len() >= OTHERS
    }

    pub(crate) fn reported<T>(&self, use_it: impl FnOnce(&mut Reported) -> T) -> T {
        use_it(&mut self.reported.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn meet(&self, other: &Arc<Self>) {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if others.len() < OTHERS {
            others.push(Arc::clone(other));
        }
    }
}

impl Workspaces {
    /// Adds a directory. Those that contain it, or are within it, are reported.
    pub(crate) fn enter(&self, root: &Path) -> Arc<Overlap> {
        let own = Arc::new(Overlap::default());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(_, shared)| shared.strong_count() > 0);
        for (other, shared) in
            all.iter().filter(|(other, _)| other.starts_with(root) || root.starts_with(other))
        {
            let _ = other;
            if let Some(shared) = shared.upgrade() {
                shared.meet(&own);
                own.meet(&shared);
            }
        }
        all.push((root.to_owned(), Arc::downgrade(&own)));
        own
    }
}
