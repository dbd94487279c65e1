//! Writes snapshots while a run goes on.

use std::fs;

use super::{JournalFold, dir, list, write};
use crate::{RecordError, RunDir, files};

/// Snapshots that are kept: when the newest one is damaged there is another.
const KEPT: usize = 2;

/// Writes a snapshot now and then. It reads the journal like anyone else, so its writer never waits, and the view it
/// keeps is the one every reader would see. A run with a short journal costs it one look at the length of the file.
#[derive(Debug)]
pub struct SnapshotWriter {
    run: RunDir,
    interval: u64,
    fold: Option<JournalFold>,
    /// Length of the journal from which on a snapshot is due.
    due: u64,
}

impl SnapshotWriter {
    /// Bytes of the journal between two snapshots, unless changed: 8 MiB.
    pub const INTERVAL: u64 = 8 * 1024 * 1024;

    /// Nothing is written yet.
    #[must_use]
    pub const fn new(run: RunDir) -> Self {
        Self { run, interval: Self::INTERVAL, fold: None, due: Self::INTERVAL }
    }

    /// Changes how many bytes of the journal are between two snapshots.
    #[must_use]
    pub const fn every(mut self, bytes: u64) -> Self {
        self.interval = bytes;
        self.due = bytes;
        self
    }

    /// Writes a snapshot if one is due, and says whether it has. Reads what the journal got since the last one, so it is
    /// not for the hot path.
    ///
    /// # Errors
    /// When the journal cannot be read or the snapshot cannot be written. The run is not the worse for it.
    pub fn check(&mut self) -> Result<bool, RecordError> {
        let path = self.run.journal_path();
        if self.length()? < self.due {
            return Ok(false);
        }
        let fold = match &mut self.fold {
            Some(fold) => {
                fold.advance()?;
                fold
            }
            empty => {
                let mut fold = JournalFold::whole(&self.run)?;
                fold.advance()?;
                empty.insert(fold)
            }
        };
        // Also after an error: a full disk is not asked for more at every turn.
        self.due = fold.position() + self.interval;
        let size = write(self.run.path(), &path, fold)?;
        // A view so large that writing it is the greater part of the work is written less often.
        self.due = fold.position() + self.interval.max(size);
        let newest = fold.view().position.journal_seq;
        self.drop_older(newest)?;
        Ok(true)
    }

    /// Whether a snapshot is due. Costs a look at the length of the journal.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.length().is_ok_and(|length| length >= self.due)
    }

    fn length(&self) -> Result<u64, RecordError> {
        let path = self.run.journal_path();
        Ok(fs::metadata(&path).map_err(RecordError::io("read", &path))?.len())
    }

    fn drop_older(&self, newest: u64) -> Result<(), RecordError> {
        let older = list(self.run.path())?.into_iter().filter(|(seq, _)| *seq <= newest).skip(KEPT);
        let left_over = files::list(&dir(self.run.path()))?.into_iter().map(|entry| entry.path());
        let is_part = |path: &std::path::PathBuf| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(".new-"))
        };
        for path in older.map(|(_, path)| path).chain(left_over.filter(is_part)) {
            fs::remove_file(&path).map_err(RecordError::io("remove", &path))?;
        }
        Ok(())
    }
}
