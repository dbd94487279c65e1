//! The view of a run from its journal.

use roboppi_run::RunView;

use super::{Place, newest};
use crate::{JournalReader, RecordError, RunDir};

/// Folds the journal of a run into a view, from its newest snapshot on, and goes on while the journal grows.
///
/// The view is the same as without snapshots. What the workers did is in the event files of the attempts, not here.
/// A line that is no record is passed over.
#[derive(Debug)]
pub struct JournalFold {
    view: RunView,
    journal: JournalReader,
    from_snapshot: Option<u64>,
    skipped: u64,
}

impl JournalFold {
    pub(crate) fn open(run: &RunDir) -> Result<Self, RecordError> {
        let mut fold = Self::at_snapshot(run)?;
        fold.advance()?;
        Ok(fold)
    }

    /// What follows the snapshot is not folded yet.
    pub(crate) fn at_snapshot(run: &RunDir) -> Result<Self, RecordError> {
        let mut fold = Self::whole(run)?;
        if let Some(snapshot) = newest(run.path(), &run.journal_path()) {
            fold.journal.resume(snapshot.offset, snapshot.lines);
            fold.from_snapshot = Some(snapshot.view.position.journal_seq);
            fold.view = snapshot.view;
        }
        Ok(fold)
    }

    /// Nothing is folded yet.
    fn whole(run: &RunDir) -> Result<Self, RecordError> {
        Ok(Self { view: RunView::default(), journal: run.journal()?, from_snapshot: None, skipped: 0 })
    }

    /// Folds what has been added since.
    ///
    /// # Errors
    /// When the journal cannot be read. What was read before is folded.
    pub fn advance(&mut self) -> Result<(), RecordError> {
        for record in &mut self.journal {
            match record {
                Ok(record) => self.view.apply_journal(&record),
                Err(RecordError::BadJson { .. }) => self.skipped += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The view.
    #[must_use]
    pub const fn view(&self) -> &RunView {
        &self.view
    }

    /// The view, when no more of it is wanted.
    #[must_use]
    pub fn into_view(self) -> RunView {
        self.view
    }

    /// The view, and the reader of what is not folded into it yet, for those who want the records themselves.
    #[must_use]
    pub fn into_parts(self) -> (RunView, JournalReader) {
        (self.view, self.journal)
    }

    /// How far the journal is folded.
    pub(super) fn place(&self) -> Place {
        Place { offset: self.journal.position(), lines: self.journal.lines() }
    }

    /// Number of the record whose snapshot it began with, if it began with one.
    #[must_use]
    pub const fn from_snapshot(&self) -> Option<u64> {
        self.from_snapshot
    }

    /// Lines that are no records, among those that were folded here.
    #[must_use]
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Bytes of the journal that are folded.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.journal.position()
    }
}
