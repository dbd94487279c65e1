//! The journal: what happened to a run and its steps, in order.

use std::fs::File;
use std::path::{Path, PathBuf};

use roboppi_ipc::UtcMillis;
use roboppi_run::{JournalRecord, RunEvent};

use crate::line_file::LineFile;
use crate::{RecordError, RunDir, SnapshotWriter, files};

mod waiting;

use waiting::Waiting;

/// Room that is reserved for the journal, so that it can go on for a while on a full disk. The last quarter is for the
/// end of the run.
const AHEAD: u64 = 256 * 1024;

/// Numbers the events of a run and appends them to its journal. The only place that assigns `seq`.
///
/// A record that [`JournalWriter::append`] returned survives the death of this process; it survives the
/// loss of power once [`JournalWriter::sync`] or [`JournalSync::sync`] has returned as well.
#[derive(Debug)]
pub struct JournalWriter {
    lines: LineFile,
    last_seq: u64,
    waiting: Waiting,
}

/// What of a journal could not be written before it was closed.
#[derive(Debug)]
pub struct Unwritten {
    /// How many records.
    pub records: u64,
    /// Why.
    pub error: RecordError,
}

impl JournalWriter {
    /// Begins the journal of a run.
    ///
    /// # Errors
    /// [`RecordError::Exists`] when it has one, or when the file cannot be made, or when the disk has no room for it.
    pub fn create(run: &RunDir) -> Result<Self, RecordError> {
        let path = run.journal_path();
        let file = files::create_append(&path)?;
        // Held while it is written. Some network file systems cannot lock; the file alone keeps a second writer out, too.
        let _ = file.try_lock();
        let lines = LineFile::new(file, path, 0).reserving(AHEAD);
        if lines.is_without_room() {
            return Err(RecordError::io("write", lines.path())(std::io::ErrorKind::StorageFull.into()));
        }
        Ok(Self { lines, last_seq: 0, waiting: Waiting::default() })
    }

    /// Appends one event with the next number. Returns when the system has taken it.
    ///
    /// # Errors
    /// When it cannot be written whole. Then nothing of it is in the journal and its number is not used.
    pub fn append(&mut self, ts: UtcMillis, event: RunEvent) -> Result<JournalRecord, RecordError> {
        let record = JournalRecord { seq: self.last_seq + 1, ts, event };
        self.write_waiting()?;
        self.lines.append(&record)?;
        self.last_seq = record.seq;
        Ok(record)
    }

    /// The same, but what cannot be written is kept in memory, in order, and tried again before the next one and when the
    /// journal is closed. At most 16 MiB are kept: of more the oldest are given up, and a warning that counts them takes
    /// their place.
    ///
    /// # Errors
    /// Beside the record: why it, or one before it, is not written yet.
    pub fn append_or_keep(
        &mut self,
        ts: UtcMillis,
        event: RunEvent,
    ) -> (JournalRecord, Result<(), RecordError>) {
        self.last_seq += 1;
        let record = JournalRecord { seq: self.last_seq, ts, event };
        let written = self.write_or_keep(&record);
        (record, written)
    }

    fn write_or_keep(&mut self, record: &JournalRecord) -> Result<(), RecordError> {
        let before = self.write_waiting();
        self.lines.encode(record)?;
        let written = before.and_then(|()| self.lines.write_encoded());
        if written.is_err() {
            // Encoded again: the line of a waiting one may be in its place.
            self.lines.encode(record)?;
            self.waiting.push(record, self.lines.encoded());
        }
        written
    }

    /// Writes what waits, in order.
    fn write_waiting(&mut self) -> Result<(), RecordError> {
        while let Some(line) = self.waiting.first()? {
            self.lines.set_encoded(&line);
            self.lines.write_encoded()?;
            self.waiting.written();
        }
        Ok(())
    }

    /// Writes what waits, and gives back what was reserved: nothing more comes. When there is not room for all of it, the
    /// end is written, and before it a warning that counts what is missing.
    ///
    /// # Errors
    /// What could not be written.
    pub fn close(&mut self) -> Result<(), Unwritten> {
        let error = self.write_waiting().err();
        let mut kept = self.waiting.len();
        while error.is_some() && kept > 0 {
            let missing = self.waiting.keep_last(kept);
            let written = missing.and_then(|lines| {
                self.lines.set_encoded(&lines);
                self.lines.write_end()
            });
            if written.is_ok() {
                break;
            }
            kept /= 2;
        }
        self.lines.release();
        let records = self.waiting.given_up() + if kept == 0 { self.waiting.len() as u64 } else { 0 };
        self.waiting = Waiting::default();
        // Those that were given up before are missing too.
        let full = || RecordError::io("write", self.lines.path())(std::io::ErrorKind::StorageFull.into());
        if records == 0 { Ok(()) } else { Err(Unwritten { records, error: error.unwrap_or_else(full) }) }
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

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    fn full() -> File {
        OpenOptions::new().write(true).open("/dev/full").unwrap()
    }

    fn place() -> (tempfile::TempDir, RunDir) {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::at(dir.path().to_owned());
        (dir, run)
    }

    fn event(text: &str) -> RunEvent {
        RunEvent::Warning { message: text.to_owned(), step: None }
    }

    /// Numbers and texts.
    fn read(run: &RunDir) -> Vec<(u64, String)> {
        let text = |record: JournalRecord| match record.event {
            RunEvent::Warning { message, .. } => (record.seq, message),
            other => panic!("{other:?}"),
        };
        run.journal().unwrap().map(|record| text(record.unwrap())).collect()
    }

    #[test]
    fn what_a_full_disk_did_not_take_is_written_later_in_order() {
        let (_dir, run) = place();
        let mut journal = JournalWriter::create(&run).unwrap();
        journal.append_or_keep(UtcMillis(1), event("one")).1.unwrap();
        let good = journal.lines.swap(full());
        for text in ["two", "three"] {
            let (_, written) = journal.append_or_keep(UtcMillis(2), event(text));
            assert!(matches!(written, Err(RecordError::Io { .. })));
        }
        assert_eq!(read(&run), [(1, "one".into())]);
        journal.lines.swap(good);
        let (record, written) = journal.append_or_keep(UtcMillis(3), event("four"));
        assert!(written.is_ok() && record.seq == 4);
        let expected = ["one", "two", "three", "four"].map(str::to_owned);
        assert_eq!(read(&run), (1..).zip(expected).collect::<Vec<_>>());
        journal.close().unwrap();
    }

    #[test]
    fn what_is_still_unwritten_at_the_end_is_tried_again_and_counted() {
        let (_dir, run) = place();
        let mut journal = JournalWriter::create(&run).unwrap();
        let good = journal.lines.swap(full());
        for text in ["one", "two"] {
            assert!(journal.append_or_keep(UtcMillis(2), event(text)).1.is_err());
        }
        journal.lines.swap(good);
        journal.close().unwrap();
        assert_eq!(read(&run), [(1, "one".into()), (2, "two".into())]);

        journal.lines.swap(full());
        for text in ["three", "four"] {
            assert!(journal.append_or_keep(UtcMillis(2), event(text)).1.is_err());
        }
        let unwritten = journal.close().unwrap_err();
        assert_eq!(unwritten.records, 2);
        assert!(!unwritten.error.to_string().is_empty());
    }

    #[test]
    fn of_too_much_that_waits_the_oldest_is_given_up_and_counted() {
        let (_dir, run) = place();
        let mut journal = JournalWriter::create(&run).unwrap();
        journal.append_or_keep(UtcMillis(1), event("first")).1.unwrap();
        let good = journal.lines.swap(full());
        let long = "x".repeat(1024 * 1024);
        for _ in 0..20 {
            assert!(journal.append_or_keep(UtcMillis(2), event(&long)).1.is_err());
        }
        journal.lines.swap(good);
        journal.append_or_keep(UtcMillis(3), event("last")).1.unwrap();
        let all = read(&run);
        // 15 of a little more than a MiB fit.
        assert_eq!(all.len(), 1 + 1 + 15 + 1);
        assert_eq!((all[1].0, all[17].0), (6, 22), "numbers stay what they were");
        assert!(all[1].1.starts_with("5 events before this one could not be recorded"), "{}", all[1].1);
        assert_eq!(all[17].1, "last");
        assert_eq!(journal.close().unwrap_err().records, 5);
    }

    #[test]
    fn on_a_full_disk_the_last_of_the_room_is_for_the_end() {
        let (_dir, run) = place();
        let mut journal = JournalWriter::create(&run).unwrap();
        // As if nothing more could be reserved.
        let until = journal.lines.stop_reserving();
        if until == 0 {
            return;
        }
        let text = "x".repeat(1_000);
        let mut written = 0;
        while journal.append_or_keep(UtcMillis(1), event(&text)).1.is_ok() {
            written += 1;
        }
        assert!((180..200).contains(&written), "three quarters of 256 KiB: {written}");
        for _ in 0..500 {
            assert!(journal.append_or_keep(UtcMillis(1), event(&text)).1.is_err());
        }
        // The file system would take it all; the room that was left is what a full one would take.
        journal.append_or_keep(UtcMillis(2), event("the end")).1.unwrap_err();
        journal.close().unwrap();
        assert_eq!(read(&run).last().unwrap().1, "the end");
    }
}
