//! Writes snapshots while a run goes on.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use roboppi_run::RunView;

use super::{JournalFold, Place, dir, list, write};
use crate::{RecordError, RunDir, files};

/// Snapshots that are kept: when the newest one is damaged there is another.
const KEPT: usize = 2;

/// Writes a snapshot now and then. It reads the journal like anyone else, so its writer never waits, and it keeps no view:
/// that of a long run is large. A run with a short journal costs it one look at the length of the file.
#[derive(Debug)]
pub struct SnapshotWriter {
    run: RunDir,
    interval: u64,
    /// How far the journal is read.
    read: Place,
    /// Length of the journal from which on a snapshot is due.
    due: u64,
    /// The journal misses events that its owner has, and has a warning in their place.
    misses: Arc<AtomicBool>,
}

impl SnapshotWriter {
    /// Bytes of the journal between two snapshots, unless changed: 8 MiB.
    pub const INTERVAL: u64 = 8 * 1024 * 1024;

    /// Nothing is written yet.
    #[must_use]
    pub fn new(run: RunDir) -> Self {
        let read = Place { offset: 0, lines: 0 };
        Self { run, interval: Self::INTERVAL, read, due: Self::INTERVAL, misses: Arc::default() }
    }

    /// `misses` says when the journal misses events that its owner has.
    pub(crate) fn of_journal(self, misses: Arc<AtomicBool>) -> Self {
        Self { misses, ..self }
    }

    /// Changes how many bytes of the journal are between two snapshots.
    #[must_use]
    pub const fn every(mut self, bytes: u64) -> Self {
        self.interval = bytes;
        self.due = bytes;
        self
    }

    /// Writes a snapshot if one is due, and says whether it has. The view is folded from the journal.
    ///
    /// # Errors
    /// When the journal cannot be read or the snapshot cannot be written. The run is not the worse for it.
    pub fn check(&mut self) -> Result<bool, RecordError> {
        if !self.begins()? {
            return Ok(false);
        }
        self.write_fold()
    }

    fn write_fold(&mut self) -> Result<bool, RecordError> {
        let fold = JournalFold::open(&self.run)?;
        self.write(fold.view(), fold.place())
    }

    /// The same with the `view` that the owner of the run has, of which only what the journal says is written. Reads what
    /// the journal got since the last one, to find the place of the view in it, so it is not for the hot path. Of a view
    /// that is ahead of the journal nothing is written. Once the journal misses events that were given up on a full disk, the view
    /// is folded from it: that of the owner has them.
    ///
    /// # Errors
    /// As [`SnapshotWriter::check`].
    pub fn check_with(&mut self, view: impl FnOnce() -> RunView) -> Result<bool, RecordError> {
        if !self.begins()? {
            return Ok(false);
        }
        let view = view();
        let place = self.place_of(view.position.journal_seq)?;
        // Only now: they are given up before what comes after them is in the journal.
        if self.misses.load(Ordering::Acquire) {
            return self.write_fold();
        }
        match place {
            Some(place) => self.write(&view, place),
            None => Ok(false),
        }
    }

    /// Whether a snapshot is due. Costs a look at the length of the journal.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.length().is_ok_and(|length| length >= self.due)
    }

    /// Whether one is due now. Then the next one is due later, also after an error: a full disk is not asked for more at
    /// every turn.
    fn begins(&mut self) -> Result<bool, RecordError> {
        let length = self.length()?;
        if length < self.due {
            return Ok(false);
        }
        self.due = length + self.interval;
        Ok(true)
    }

    /// Where the record of a number ends; `None` when it is not in the journal.
    fn place_of(&mut self, seq: u64) -> Result<Option<Place>, RecordError> {
        let mut journal = self.run.journal()?;
        journal.resume(self.read.offset, self.read.lines);
        while let Some(record) = journal.next() {
            match record {
                Ok(record) if record.seq <= seq => {
                    self.read = Place { offset: journal.position(), lines: journal.lines() };
                    if record.seq == seq {
                        return Ok(Some(self.read));
                    }
                }
                Ok(_) => return Ok(None),
                Err(RecordError::BadJson { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn write(&mut self, view: &RunView, place: Place) -> Result<bool, RecordError> {
        let size = write(self.run.path(), &self.run.journal_path(), view, place)?;
        // A view so large that writing it is the greater part of the work is written less often.
        self.due = place.offset + self.interval.max(size);
        self.drop_older(view.position.journal_seq)?;
        Ok(true)
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
