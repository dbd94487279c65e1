//! A run whose record is on this machine.

use std::sync::Arc;

use roboppi_record::{RecordError, RecordStore, RunDir, StateRoot};
use roboppi_run::{History, RunId};

/// A run whose record is in a directory of this machine; its owner may be any process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalRun {
    dir: RunDir,
}

impl LocalRun {
    /// The run that `text` names: an id, a handle, the beginning of an id, or a number as `-1` for the last run.
    ///
    /// # Errors
    /// When there is no such run, several are meant, or the runs cannot be listed.
    pub fn find(root: &StateRoot, text: &str) -> Result<Self, RecordError> {
        let id = root.resolve(text)?;
        Self::open(root, &id)
    }

    /// The run of an id.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn open(root: &StateRoot, id: &RunId) -> Result<Self, RecordError> {
        root.open_run(id).map(Self::from)
    }

    /// Its id by the name of its directory; `None` when a person renamed that to something that is no id.
    #[must_use]
    pub fn id(&self) -> Option<RunId> {
        self.dir.id()
    }

    /// Its handle, or else its id, or else its directory, for people.
    #[must_use]
    pub fn name(&self) -> String {
        if let Some(handle) = self.dir.handle() {
            return handle.to_string();
        }
        self.id().map_or_else(|| self.dir.path().display().to_string(), |id| id.to_string())
    }

    /// Its record.
    #[must_use]
    pub fn record(&self) -> Arc<dyn RecordStore> {
        Arc::new(self.dir.clone())
    }

    /// What earlier runs of the same workflow tell of it. Reads their records.
    #[must_use]
    pub fn history(&self) -> History {
        crate::history::before(&self.dir)
    }

    /// Its directory, for those that do something with all of it: export, pack, pin or remove it. What is in it is read
    /// through [`record`](Self::record).
    #[must_use]
    pub const fn run_dir(&self) -> &RunDir {
        &self.dir
    }
}

impl From<RunDir> for LocalRun {
    fn from(dir: RunDir) -> Self {
        Self { dir }
    }
}
