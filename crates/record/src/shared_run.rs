//! A run whose record is written by any number of processes, one after the other.
//!
//! Each of them appends under a lock on the journal, which goes with its holder however that ends. What a killed one left of a line
//! is cut off by the next.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;

use memchr::{memmem, memrchr};
use nix::sys::stat::utimensat;
use nix::sys::time::TimeSpec;
use roboppi_ipc::{UtcMillis, WorkerEvent};
use roboppi_run::{AttemptRecord, AttemptRef, JournalRecord, RunEvent, RunView, SourceMark};
use serde::{Deserialize, Serialize};

use crate::base::Base;
use crate::run_dir::OWNER_LOCK;
use crate::{BlobWriter, JournalReader, LogLimits, RecordError, RunDir, files, shorten_event};

/// Bytes of the events of an attempt, the limit of a log of a workflow's step.
const EVENTS: u64 = 128 * 1024 * 1024;

/// Bytes of a journal.
const JOURNAL: u64 = 16 * 1024 * 1024;

/// Bytes of the end of a file in which its last line is.
const TAIL: usize = 64 * 1024;

/// A run that this process writes to now and then.
#[derive(Debug)]
pub struct SharedRun {
    dir: RunDir,
    journal: File,
    reader: JournalReader,
    view: RunView,
    blobs: BlobWriter,
    attempts: HashMap<AttemptRef, Attempt>,
}

/// The events of an attempt.
#[derive(Debug)]
struct Attempt {
    file: File,
    len: u64,
    last_seq: Option<u64>,
}

/// The exclusive right to write to a run.
#[derive(Debug)]
pub struct SharedWriter<'a> {
    run: &'a mut SharedRun,
}

impl SharedRun {
    /// Opens a run that is there.
    ///
    /// # Errors
    /// When its journal cannot be opened.
    pub fn open(dir: &RunDir) -> Result<Self, RecordError> {
        let (view, reader) = dir.snapshot()?.into_parts();
        Ok(Self {
            journal: files::open_shared(&dir.journal_path())?,
            reader,
            view,
            blobs: BlobWriter::within(dir.path(), LogLimits { bytes: 8 * EVENTS, min_free: 0 }, None),
            attempts: HashMap::new(),
            dir: dir.clone(),
        })
    }

    /// Its directory.
    #[must_use]
    pub const fn dir(&self) -> &RunDir {
        &self.dir
    }

    /// Takes the lock, and reads what other processes wrote since.
    ///
    /// # Errors
    /// When another process holds the lock for too long, or the journal cannot be read.
    pub fn lock(&mut self) -> Result<SharedWriter<'_>, RecordError> {
        files::wait_for_lock(&self.journal, &self.dir.journal_path())?;
        let mut writer = SharedWriter { run: self };
        writer.catch_up()?;
        Ok(writer)
    }

    /// The last mark in the record of the records that are from a file.
    ///
    /// # Errors
    /// When a file of the record cannot be read.
    pub fn last_mark(&mut self, from: &str) -> Result<Option<SourceMark>, RecordError> {
        // The view is then that of the whole journal.
        drop(self.lock()?);
        let attempts = self.view.steps.iter().flat_map(|step| &step.attempts);
        let mut paths = vec![self.dir.journal_path()];
        for attempt in attempts {
            paths.push(self.dir.events_path(&attempt.of.base())?);
        }
        let mut last: Option<SourceMark> = None;
        for path in paths {
            let Some(file) = files::open_read(&path)? else { continue };
            let found = last_mark_in(&file, from).map_err(RecordError::io("read", &path))?;
            if let Some(mark) = found
                && last.as_ref().is_none_or(|last| mark.is_after(last))
            {
                last = Some(mark);
            }
        }
        Ok(last)
    }

    /// Leaves a sign of life.
    pub fn sign_of_life(&self) {
        let path = self.dir.path().join(OWNER_LOCK);
        let now = TimeSpec::UTIME_NOW;
        // The records that follow are signs as well.
        let _ = utimensat(
            nix::fcntl::AT_FDCWD,
            &path,
            &now,
            &now,
            nix::sys::stat::UtimensatFlags::NoFollowSymlink,
        );
    }
}

impl Drop for SharedWriter<'_> {
    fn drop(&mut self) {
        // The kernel does it otherwise when the file is closed.
        let _ = self.run.journal.unlock();
    }
}

impl SharedWriter<'_> {
    /// The run as it is, without what its workers did.
    #[must_use]
    pub const fn view(&self) -> &RunView {
        &self.run.view
    }

    fn catch_up(&mut self) -> Result<(), RecordError> {
        let SharedRun { reader, view, journal, dir, .. } = &mut *self.run;
        for record in reader.by_ref() {
            match record {
                Ok(record) => view.apply_journal(&record),
                Err(RecordError::BadJson { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if reader.torn() {
            let path = dir.journal_path();
            let end = JournalReader::position(reader);
            journal.set_len(end).map_err(RecordError::io("cut", &path))?;
        }
        Ok(())
    }

    /// Appends an event to the journal. Of the end of an attempt the lengths of its files are filled in.
    ///
    /// # Errors
    /// When it cannot be written whole; then nothing of it is there.
    pub fn append(
        &mut self,
        ts: UtcMillis,
        mut event: RunEvent,
        mark: Option<&SourceMark>,
    ) -> Result<(), RecordError> {
        if let RunEvent::AttemptFinished { of, last_seq, events_bytes, .. } = &mut event {
            let attempt = self.attempt(of)?;
            (*last_seq, *events_bytes) = (attempt.last_seq, attempt.len);
        }
        let run = &mut *self.run;
        let record = JournalRecord { seq: run.view.position.journal_seq + 1, ts, event };
        let path = run.dir.journal_path();
        let line =
            line(&record, mark).map_err(|source| RecordError::Encode { path: path.clone(), source })?;
        let len = JournalReader::position(&run.reader);
        if len + line.len() as u64 > JOURNAL {
            return Err(RecordError::io("write", &path)(io::ErrorKind::FileTooLarge.into()));
        }
        write_whole(&run.journal, len, &line).map_err(RecordError::io("write", &path))?;
        run.view.apply_journal(&record);
        run.reader.seek(len + line.len() as u64);
        Ok(())
    }

    /// Appends an event of an attempt.
    ///
    /// # Errors
    /// When it cannot be written whole, or the attempt has as many as it may have; then nothing of it is there.
    pub fn append_event(
        &mut self,
        of: &AttemptRef,
        ts: UtcMillis,
        mut event: WorkerEvent,
        mark: Option<&SourceMark>,
    ) -> Result<(), RecordError> {
        let blobs = &mut self.run.blobs;
        shorten_event(&mut event, &mut |whole| blobs.put(whole).ok().flatten());
        let path = self.run.dir.events_path(&of.base())?;
        let attempt = self.attempt(of)?;
        let record = AttemptRecord { seq: attempt.last_seq.map_or(0, |last| last + 1), ts, at: 0, event };
        let line =
            line(&record, mark).map_err(|source| RecordError::Encode { path: path.clone(), source })?;
        if attempt.len + line.len() as u64 > EVENTS {
            return Err(RecordError::io("write", &path)(io::ErrorKind::FileTooLarge.into()));
        }
        write_whole(&attempt.file, attempt.len, &line).map_err(RecordError::io("write", &path))?;
        attempt.len += line.len() as u64;
        attempt.last_seq = Some(record.seq);
        Ok(())
    }

    /// The event file of an attempt as it is now, without what a killed process left of a line.
    fn attempt(&mut self, of: &AttemptRef) -> Result<&mut Attempt, RecordError> {
        let dir = &self.run.dir;
        let path = dir.events_path(&of.base())?;
        if !self.run.attempts.contains_key(of) {
            files::ensure_step_dir(Base::parse(dir.path(), &of.base())?.step_dir())?;
            let file = files::open_shared(&path)?;
            self.run.attempts.insert(of.clone(), Attempt { file, len: 0, last_seq: None });
        }
        let attempt = self
            .run
            .attempts
            .get_mut(of)
            .ok_or_else(|| RecordError::io("open", &path)(io::ErrorKind::NotFound.into()))?;
        let len = attempt.file.metadata().map_err(RecordError::io("read", &path))?.len();
        if len != attempt.len {
            attempt.look(len).map_err(RecordError::io("read", &path))?;
        }
        Ok(attempt)
    }
}

impl Attempt {
    /// Looks at a file that another process wrote to.
    fn look(&mut self, len: u64) -> io::Result<()> {
        #[derive(Deserialize)]
        struct Numbered {
            seq: u64,
        }

        let mut size = TAIL;
        loop {
            let from = len.saturating_sub(size as u64);
            let mut tail = vec![0; usize::try_from(len - from).unwrap_or_default()];
            self.file.read_exact_at(&mut tail, from)?;
            let end = memrchr(b'\n', &tail).map_or(0, |at| at + 1);
            let before = memrchr(b'\n', &tail[..end.saturating_sub(1)]).map_or(0, |at| at + 1);
            if before == 0 && from > 0 {
                // The line is longer.
                size *= 4;
                continue;
            }
            self.len = from + end as u64;
            self.last_seq = serde_json::from_slice::<Numbered>(&tail[before..end]).ok().map(|last| last.seq);
            if self.len < len {
                self.file.set_len(self.len)?;
            }
            return Ok(());
        }
    }
}

/// A record as a line, with the mark of its file.
fn line(record: &impl Serialize, mark: Option<&SourceMark>) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(record)?;
    if let Some(mark) = mark
        && line.pop_if(|last| *last == b'}').is_some()
    {
        line.extend_from_slice(MARK);
        serde_json::to_writer(&mut line, mark)?;
        line.push(b'}');
    }
    line.push(b'\n');
    Ok(line)
}

/// How the mark begins, at the end of a line. No text of a record has it: there, quotes are escaped.
const MARK: &[u8] = b",\"mark\":";

/// The last mark of this name in a file.
fn last_mark_in(file: &File, from: &str) -> io::Result<Option<SourceMark>> {
    let mut needle = MARK.to_vec();
    needle.extend_from_slice(b"{\"from\":");
    serde_json::to_writer(&mut needle, from)?;
    let mut end = file.metadata()?.len();
    while end > 0 {
        let begin = end.saturating_sub(TAIL as u64);
        // A mark may lie across the border.
        let mut part = vec![0; usize::try_from(end - begin).unwrap_or_default() + 2 * needle.len()];
        let read = read_up_to(file, &mut part, begin)?;
        if let Some(at) = memmem::rfind(&part[..read], &needle) {
            let mut line = vec![0; needle.len() + 128];
            let at = begin + (at + MARK.len()) as u64;
            let read = read_up_to(file, &mut line, at)?;
            let mut marks = serde_json::Deserializer::from_slice(&line[..read]).into_iter::<SourceMark>();
            if let Some(Ok(mark)) = marks.next() {
                return Ok(Some(mark));
            }
        }
        end = begin;
    }
    Ok(None)
}

/// Reads until the buffer is full or the file ends.
fn read_up_to(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read_at(&mut buffer[read..], at + read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}

/// Appends a line to a file of this length, or nothing.
fn write_whole(mut file: &File, len: u64, line: &[u8]) -> io::Result<()> {
    let written = file.write_all(line);
    if written.is_err() {
        // When this fails, the next process does it.
        let _ = file.set_len(len);
    }
    written
}

#[cfg(test)]
mod tests {
    use roboppi_run::JournalRecord;

    use super::*;

    fn record(seq: u64, message: &str) -> JournalRecord {
        let event = RunEvent::Warning { message: message.to_owned(), step: None };
        JournalRecord { seq, ts: UtcMillis(1), event }
    }

    fn mark(from: &str, pos: u64) -> SourceMark {
        SourceMark { from: from.to_owned(), pos, part: 3 }
    }

    #[test]
    fn the_last_mark_of_a_file_is_found_wherever_it_is() {
        // Whatever its distance from the end, also across the border of two parts that are read.
        for len in [0, 1, 100, TAIL - 200, TAIL - 100, TAIL - 60, TAIL - 30, TAIL, TAIL + 70, 3 * TAIL] {
            let mut file = tempfile::tempfile().unwrap();
            let hostile = r#"x","mark":{"from":"a","pos":99,"part":9}}"#;
            for (seq, from, pos) in [(1, "a", 1), (2, "b", 7), (3, "a", 2)] {
                file.write_all(&line(&record(seq, hostile), Some(&mark(from, pos))).unwrap()).unwrap();
            }
            file.write_all(&line(&record(4, &"é".repeat(len / 2)), None).unwrap()).unwrap();
            assert_eq!(last_mark_in(&file, "a").unwrap(), Some(mark("a", 2)), "{len}");
            assert_eq!(last_mark_in(&file, "b").unwrap(), Some(mark("b", 7)), "{len}");
            assert_eq!(last_mark_in(&file, "c").unwrap(), None, "{len}");
        }
    }

    #[test]
    fn a_record_with_a_mark_is_a_record() {
        let text = line(&record(1, "m"), Some(&mark("a", 2))).unwrap();
        let text = String::from_utf8(text).unwrap();
        let kept = r#"{"seq":1,"ts":1,"event":{"type":"warning","message":"m"},"mark":{"from":"a","pos":2,"part":3}}"#;
        assert_eq!(text, format!("{kept}\n"));
        assert_eq!(serde_json::from_str::<JournalRecord>(&text).unwrap(), record(1, "m"));
    }
}
