//! The journal: what happened to a run and its steps, in order.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use roboppi_ipc::UtcMillis;
use roboppi_run::{JournalRecord, RunEvent};

use crate::line_file::LineFile;
use crate::{JournalReader, RecordError, RecordReader, RunDir, SnapshotWriter, files};

/// Numbers the events of a run and appends them to its journal. The only place that assigns `seq`.
///
/// A record that [`JournalWriter::append`] returned survives the death of this process; it survives the
/// loss of power once [`JournalWriter::sync`] or [`JournalSync::sync`] has returned as well.
#[derive(Debug)]
pub struct JournalWriter {
    lines: LineFile,
    last_seq: u64,
}

/// What an earlier writer left half written. It was put aside, not thrown away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// How many bytes.
    pub bytes: u64,
    /// Where they are now.
    pub path: PathBuf,
}

impl JournalWriter {
    /// Begins the journal of a run.
    ///
    /// # Errors
    /// [`RecordError::Exists`] when it has one, or when the file cannot be made.
    pub fn create(run: &RunDir) -> Result<Self, RecordError> {
        let path = run.journal_path();
        let file = files::create_append(&path)?;
        lock(&file, &path)?;
        Ok(Self { lines: LineFile::new(file, path, 0), last_seq: 0 })
    }

    /// Continues a journal whose writer is gone. What follows its last valid record is moved to
    /// `journal.torn-<n>` beside it.
    ///
    /// # Errors
    /// [`RecordError::InUse`] when its writer lives, or when a file cannot be read or written; the journal
    /// is then as it was.
    pub fn reopen(run: &RunDir) -> Result<(Self, Option<Torn>), RecordError> {
        let path = run.journal_path();
        let file = files::open_append(&path)?;
        lock(&file, &path)?;
        let (last_seq, valid) = last_valid(run.journal()?)?;
        let torn = cut_aside(run.path(), &file, &path, valid)?;
        Ok((Self { lines: LineFile::new(file, path, valid), last_seq }, torn))
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

/// Keeps a second writer out. Some network file systems cannot lock; there the fresh directory of every run
/// has to do.
fn lock(file: &File, path: &Path) -> Result<(), RecordError> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(RecordError::InUse { path: path.to_owned() }),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// Number of the last valid record and the length of the file up to its end.
fn last_valid(mut journal: JournalReader) -> Result<(u64, u64), RecordError> {
    let (mut seq, mut end) = (0, 0);
    while let Some(record) = journal.next() {
        match record {
            Ok(record) => (seq, end) = (record.seq.max(seq), RecordReader::position(&journal)),
            Err(RecordError::BadJson { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok((seq, end))
}

fn cut_aside(dir: &Path, file: &File, path: &Path, valid: u64) -> Result<Option<Torn>, RecordError> {
    let len = file.metadata().map_err(RecordError::io("read", path))?.len();
    let bytes = len.saturating_sub(valid);
    if bytes == 0 {
        return Ok(None);
    }
    let (mut aside, aside_path) = create_torn(dir)?;
    let mut block = vec![0; 64 * 1024];
    let mut at = valid;
    while at < len {
        let read = file.read_at(&mut block, at).map_err(RecordError::io("read", path))?;
        if read == 0 {
            break;
        }
        aside.write_all(&block[..read]).map_err(RecordError::io("write", &aside_path))?;
        at += read as u64;
    }
    // The copy must be safe before the original is cut.
    aside.sync_data().map_err(RecordError::io("sync", &aside_path))?;
    file.set_len(valid).map_err(RecordError::io("cut", path))?;
    Ok(Some(Torn { bytes, path: aside_path }))
}

fn create_torn(dir: &Path) -> Result<(File, PathBuf), RecordError> {
    let mut number = 1_u32;
    loop {
        let path = dir.join(format!("journal.torn-{number}"));
        match files::create_write(&path) {
            Err(RecordError::Exists { .. }) if number < u32::MAX => number += 1,
            other => return other.map(|file| (file, path)),
        }
    }
}
