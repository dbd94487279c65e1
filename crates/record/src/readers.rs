//! Opens the files of a run to read them.

use crate::{EventReader, JournalFold, JournalReader, LogReader, RecordError, RecordReader, RunDir};

impl RunDir {
    /// The log of an attempt; empty as long as its file is not there.
    ///
    /// # Errors
    /// When `base` is not of the allowed form, or the file cannot be read.
    pub fn log(&self, base: &str) -> Result<LogReader, RecordError> {
        LogReader::open(self.path(), base)
    }

    /// The recorded events of an attempt; empty as long as their file is not there.
    ///
    /// # Errors
    /// When `base` is not of the allowed form, or the file cannot be read.
    pub fn events(&self, base: &str) -> Result<EventReader, RecordError> {
        EventReader::open(self, base)
    }

    /// The journal; empty as long as its file is not there.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn journal(&self) -> Result<JournalReader, RecordError> {
        RecordReader::open(self.journal_path())
    }

    /// The view of the run from its journal, without what its workers did; empty as long as there is no journal.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn view(&self) -> Result<JournalFold, RecordError> {
        JournalFold::open(self)
    }

    /// The view as the newest snapshot has it, and nothing of what follows; empty when there is none.
    ///
    /// # Errors
    /// When the journal cannot be opened.
    pub fn snapshot(&self) -> Result<JournalFold, RecordError> {
        JournalFold::at_snapshot(self)
    }
}
