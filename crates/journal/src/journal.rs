//! The journal: what happened to a run and its steps, in order.

use std::fs::File;
use std::path::{Path, PathBuf};

use roboppi_ipc::UtcMillis;
use roboppi_run::{JournalRecord, RunEvent};

use crate::line_file::LineFile;
use crate::{RecordError, RunDir, SnapshotWriter, files};

/// Numbers the events of a run and appends them to its journal. The only place that assigns `seq`.
///
/// A record that [`JournalWriter::append`] returned survives the death of this process; it survives the
/// loss of power once [`JournalWriter::sync`] or [`JournalSync::sync`] has returned as well.
#[derive(Debug)]
pub struct JournalWriter {
    lines: LineFile,
    last_seq: u64,
}

impl JournalWriter {
    /// Begins the journal of a run.
    ///
    /// # Errors
    /// [`RecordError::Exists`] when it has one, or when the file cannot be made.
    pub fn create(run: &RunDir) -> Result<Self, RecordError> {
        let path = run.journal_path();
        let file = files::create_append(&path)?;
        // Held while it is written. Some network file systems cannot lock; the file alone keeps a second writer out, too.
        let _ = file.try_lock();
        Ok(Self { lines: LineFile::new(file, path, 0), last_seq: 0 })
    }

    /// Appends one event with the next number. Returns when the system has taken it.
    ///
    /// # Errors
    /// When it cannot be written whole. Then nothing of it is in the journal and its number is not used.
    pub fn append(&mut self, ts: UtcMillis, event: RunEvent) -> Result<JournalRecord, RecordError> {
        let record = JournalRecord { seq: self.last_seq + 1, ts, event };
        self.lines.append(&record)?;
        self.last_seq = record.seq;
        Ok(record)
    }

    /// Number of the last record, 0 when there is none.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Waits until everything appended is on the medium. Takes milliseconds: not for the hot path.
    ///
    /// # Errors
    /// When the system could not write it.
    pub fn sync(&mut self) -> Result<(), RecordError> {
        self.lines.sync()
    }

    /// A handle another thread can sync with while this one appends.
    ///
    /// # Errors
    /// When there is no file descriptor left.
    pub fn sync_handle(&self) -> Result<JournalSync, RecordError> {
        let path = self.lines.path().to_owned();
        let file = self.lines.handle().map_err(RecordError::io("open", &path))?;
        Ok(JournalSync { file, path })
    }

    /// Writes snapshots of this run, for another thread.
    #[must_use]
    pub fn snapshots(&self) -> SnapshotWriter {
        let dir = self.lines.path().parent().unwrap_or_else(|| Path::new("."));
        SnapshotWriter::new(RunDir::at(dir.to_owned()))
    }
}

/// Syncs a journal from another thread than the one that writes it.
#[derive(Debug)]
pub struct JournalSync {
    file: File,
    path: PathBuf,
}

impl JournalSync {
    /// Waits until everything appended before the call is on the medium.
    ///
    /// # Errors
    /// When the system could not write it.
    pub fn sync(&self) -> Result<(), RecordError> {
        self.file.sync_data().map_err(RecordError::io("sync", &self.path))
    }
}
