//! The journal: what happened to a run and its steps, in order.

use std::fs::File;
use std::path::{Path, PathBuf};

use roboppi_ipc::UtcMillis;
use roboppi_run::{JournalRecord, RunEvent};

use crate::line_file::LineFile;
use crate::{RecordError, RunDir, SnapshotWriter, disk, files};

mod waiting;

use waiting::Waiting;

/// Room that is reserved for the journal, so that it can go on for a while on a full disk. The last quarter is for the
/// end of the run.
const AHEAD: u64 = 256 * 1024;

/// Numbers the events of a run and appends them to its journal. The only place that assigns `seq`.
///
/// A record that [`JournalWriter::append`] or [`JournalWriter::write`] has written survives the death of this process; it survives the
/// loss of power once [`JournalWriter::sync`] or [`JournalSync::sync`] has returned as well.
#[derive(Debug)]
pub struct JournalWriter {
    lines: LineFile,
    last_seq: u64,
    /// Records whose lines are made and not written.
    made: Vec<Made>,
    /// One of them has no line.
    unencoded: Option<RecordError>,
    waiting: Waiting,
}

/// A record whose line is made.
#[derive(Debug)]
struct Made {
    seq: u64,
    ts: UtcMillis,
    /// Where its line ends among those that are made.
    end: usize,
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
        Ok(Self { lines, last_seq: 0, made: Vec::new(), unencoded: None, waiting: Waiting::default() })
    }

    /// Appends one event with the next number. Returns when the system has taken it.
    ///
    /// # Errors
    /// When it cannot be written whole. Then nothing of it is in the journal and its number is not used.
    pub fn append(&mut self, ts: UtcMillis, event: RunEvent) -> Result<JournalRecord, RecordError> {
        self.write()?;
        let record = JournalRecord { seq: self.last_seq + 1, ts, event };
        self.write_waiting()?;
        self.lines.append(&record)?;
        self.lines.forget_encoded();
        self.last_seq = record.seq;
        Ok(record)
    }

    /// Gives an event the next number and makes its line, which [`write`](Self::write) writes.
    pub fn add(&mut self, ts: UtcMillis, event: RunEvent) -> JournalRecord {
        self.last_seq += 1;
        let record = JournalRecord { seq: self.last_seq, ts, event };
        match self.lines.encode_more(&record) {
            Ok(end) => self.made.push(Made { seq: record.seq, ts, end }),
            Err(error) => self.unencoded = Some(error),
        }
        record
    }

    /// Writes what was added since the last call, with one call of the system. Returns when that has taken it. What cannot
    /// be written is kept in memory, in order, and tried again before what comes next and when the journal is closed. At
    /// most 16 MiB are kept: of more the oldest are given up, and a warning that counts them takes their place.
    ///
    /// # Errors
    /// Why something is not written yet.
    pub fn write(&mut self) -> Result<(), RecordError> {
        if let Some(error) = self.unencoded.take() {
            self.write_or_keep()?;
            return Err(error);
        }
        self.write_or_keep()
    }

    fn write_or_keep(&mut self) -> Result<(), RecordError> {
        let is_next = self.waiting.len() == 0;
        if self.made.is_empty() || (is_next && self.lines.write_encoded().is_ok()) {
            self.made.clear();
            self.lines.forget_encoded();
            return Ok(());
        }
        // There may be room for some of the lines, or for those that wait.
        let lines = self.lines.take_encoded();
        let mut written = self.write_waiting();
        let mut start = 0;
        for Made { seq, ts, end } in self.made.drain(..) {
            let line = &lines[start..end];
            start = end;
            if written.is_ok() {
                self.lines.set_encoded(line);
                written = self.lines.write_encoded();
            }
            if written.is_err() {
                self.waiting.push(seq, ts, line);
            }
        }
        self.lines.forget_encoded();
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

    /// Writes what waits: nothing more comes. When there is not room for all of it, the end is written, and before it a
    /// warning that counts what is missing.
    ///
    /// # Errors
    /// What could not be written.
    pub fn close(&mut self) -> Result<(), Unwritten> {
        let error = self.write().and_then(|()| self.write_waiting()).err();
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
        let records = self.waiting.given_up() + if kept == 0 { self.waiting.len() as u64 } else { 0 };
        self.waiting = Waiting::default();
        // Those that were given up before are missing too.
        let full = || RecordError::io("write", self.lines.path())(std::io::ErrorKind::StorageFull.into());
        if records == 0 { Ok(()) } else { Err(Unwritten { records, error: error.unwrap_or_else(full) }) }
    }

    /// Gives back what was reserved, once it is closed. Takes its time where the file system tells the medium of it.
    pub fn release(&mut self) {
        self.lines.release();
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
        let run = RunDir::at(path.parent().unwrap_or_else(|| Path::new(".")).to_owned());
        Ok(JournalSync { file, path, beginning: Some(run) })
    }

    /// Writes snapshots of this run, for another thread.
    #[must_use]
    pub fn snapshots(&self) -> SnapshotWriter {
        let dir = self.lines.path().parent().unwrap_or_else(|| Path::new("."));
        SnapshotWriter::new(RunDir::at(dir.to_owned())).of_journal(self.waiting.misses())
    }
}

/// Syncs a journal, and before it what was written when the run began, from another thread than the one that writes it.
#[derive(Debug)]
pub struct JournalSync {
    file: File,
    path: PathBuf,
    /// The run whose beginning may not be on the medium yet.
    beginning: Option<RunDir>,
}

impl JournalSync {
    /// Waits until everything appended before the call is on the medium.
    ///
    /// # Errors
    /// When the system could not write it.
    pub fn sync(&mut self) -> Result<(), RecordError> {
        for file in self.beginning.take().iter().flat_map(files_of_beginning) {
            // What cannot be synced is on its way all the same, and its writer has been told of failures.
            let _ = file.sync_data();
        }
        self.file.sync_data().map_err(RecordError::io("sync", &self.path))
    }

    /// Has the system begin to write everything, if nothing was ever waited for, and does not wait. Says whether that was so.
    pub fn begin_unless_synced(&mut self) -> bool {
        let Some(run) = self.beginning.take() else { return false };
        for file in files_of_beginning(&run).iter().chain([&self.file]) {
            disk::begin_to_write(file);
        }
        true
    }
}

fn files_of_beginning(run: &RunDir) -> Vec<File> {
    let paths = [run.manifest_path(), run.workflow_path()];
    paths.iter().filter_map(|path| files::open_read(path).ok().flatten()).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use roboppi_run::RunView;

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

    /// Adds one event and writes it.
    fn keep(journal: &mut JournalWriter, ts: u64, text: &str) -> Result<(), RecordError> {
        journal.add(UtcMillis(ts), event(text));
        journal.write()
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
        keep(&mut journal, 1, "one").unwrap();
        let good = journal.lines.swap(full());
        for text in ["two", "three"] {
            assert!(matches!(keep(&mut journal, 2, text), Err(RecordError::Io { .. })));
        }
        assert_eq!(read(&run), [(1, "one".into())]);
        journal.lines.swap(good);
        assert_eq!(journal.add(UtcMillis(3), event("four")).seq, 4);
        journal.add(UtcMillis(3), event("five"));
        journal.write().unwrap();
        let expected = ["one", "two", "three", "four", "five"].map(str::to_owned);
        assert_eq!(read(&run), (1..).zip(expected).collect::<Vec<_>>());
        journal.close().unwrap();
    }

    #[test]
    fn what_was_added_together_is_written_with_one_call_or_as_far_as_there_is_room() {
        let (_dir, run) = place();
        let mut journal = JournalWriter::create(&run).unwrap();
        // Nothing of it is in the file before it is written.
        let numbers: Vec<_> = ["one", "two"].map(|text| journal.add(UtcMillis(1), event(text)).seq).into();
        assert_eq!((numbers, read(&run)), (vec![1, 2], Vec::new()));
        journal.write().unwrap();
        assert_eq!(read(&run), [(1, "one".into()), (2, "two".into())]);
        journal.write().unwrap();
        if journal.lines.stop_reserving() == 0 {
            return;
        }
        // Room for a part of what comes at once: that part is written, and the rest when the journal is closed.
        let text = "x".repeat(1_000);
        for _ in 0..300 {
            journal.add(UtcMillis(1), event(&text));
        }
        assert!(journal.write().is_err());
        let written = read(&run).len();
        assert!((170..200).contains(&written), "three quarters of 256 KiB: {written}");
        keep(&mut journal, 2, "the end").unwrap_err();
        journal.close().unwrap();
        let numbers: Vec<_> = read(&run).into_iter().map(|(number, _)| number).collect();
        assert_eq!(numbers, (1..=303).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_still_unwritten_at_the_end_is_tried_again_and_counted() {
        let (_dir, run) = place();
        let mut journal = JournalWriter::create(&run).unwrap();
        let good = journal.lines.swap(full());
        for text in ["one", "two"] {
            assert!(keep(&mut journal, 2, text).is_err());
        }
        journal.lines.swap(good);
        journal.close().unwrap();
        assert_eq!(read(&run), [(1, "one".into()), (2, "two".into())]);

        journal.lines.swap(full());
        for text in ["three", "four"] {
            assert!(keep(&mut journal, 2, text).is_err());
        }
        let unwritten = journal.close().unwrap_err();
        assert_eq!(unwritten.records, 2);
        assert!(!unwritten.error.to_string().is_empty());
    }

    #[test]
    fn of_too_much_that_waits_the_oldest_is_given_up_and_counted() {
        let (_dir, run) = place();
        let mut journal = JournalWriter::create(&run).unwrap();
        keep(&mut journal, 1, "first").unwrap();
        let good = journal.lines.swap(full());
        let long = "x".repeat(1024 * 1024);
        for _ in 0..20 {
            assert!(keep(&mut journal, 2, &long).is_err());
        }
        journal.lines.swap(good);
        keep(&mut journal, 3, "last").unwrap();
        let all = read(&run);
        // 15 of a little more than a MiB fit.
        assert_eq!(all.len(), 1 + 1 + 15 + 1);
        assert_eq!((all[1].0, all[17].0), (6, 22), "numbers stay what they were");
        assert!(all[1].1.starts_with("5 events before this one could not be recorded"), "{}", all[1].1);
        assert_eq!(all[17].1, "last");
        assert_eq!(journal.close().unwrap_err().records, 5);
    }

    #[test]
    fn a_snapshot_says_what_the_journal_says_when_something_was_given_up() {
        let (_dir, run) = place();
        let mut journal = JournalWriter::create(&run).unwrap();
        let mut snapshots = journal.snapshots().every(1);
        let mut live = RunView::default();
        let mut keep = |journal: &mut JournalWriter, text: &str| {
            live.apply_journal(&journal.add(UtcMillis(1), event(text)));
            journal.write().is_ok()
        };
        let good = journal.lines.swap(full());
        let long = "x".repeat(1024 * 1024);
        for _ in 0..20 {
            assert!(!keep(&mut journal, &long));
        }
        journal.lines.swap(good);
        assert!(keep(&mut journal, "last"));
        assert!(snapshots.check_with(|| live.of_journal()).unwrap());
        let mut whole = RunView::default();
        run.journal().unwrap().for_each(|record| whole.apply_journal(&record.unwrap()));
        let fold = run.view().unwrap();
        assert_eq!(fold.from_snapshot(), Some(21));
        assert!(fold.into_view() == whole);
        assert!(live.of_journal() != whole, "the view of the owner has no warning");
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
        while keep(&mut journal, 1, &text).is_ok() {
            written += 1;
        }
        assert!((180..200).contains(&written), "three quarters of 256 KiB: {written}");
        for _ in 0..500 {
            assert!(keep(&mut journal, 1, &text).is_err());
        }
        // The file system would take it all; the room that was left is what a full one would take.
        keep(&mut journal, 2, "the end").unwrap_err();
        journal.close().unwrap();
        assert_eq!(read(&run).last().unwrap().1, "the end");
    }
}
