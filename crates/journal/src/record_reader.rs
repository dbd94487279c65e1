//! Reads files of JSON lines while they grow.

use std::fs::File;
use std::marker::PhantomData;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use memchr::memchr;
use roboppi_run::{AttemptRecord, JournalRecord};
use serde::de::DeserializeOwned;

use crate::{RecordError, files};

/// Reads the journal of a run.
pub type JournalReader = RecordReader<JournalRecord>;

/// Reads the event file of an attempt.
pub type EventReader = RecordReader<AttemptRecord>;

/// Most that is read at once.
const BLOCK: usize = 64 * 1024;

/// What is read first: a short run is no longer than this.
const FIRST: usize = 8 * 1024;

/// Reads records, one a line, from a file that may still grow, or not be there yet.
///
/// As an iterator it ends at the last whole line; asked again later it goes on with what was added. A line
/// that is no record is an error, and the next one can still be read.
#[derive(Debug)]
pub struct RecordReader<T> {
    path: PathBuf,
    file: Option<File>,
    /// Bytes of the file before the first unread line.
    position: u64,
    /// Number of the line last read, from 1.
    line: u64,
    /// Bytes of the file from `position` on.
    buffer: Vec<u8>,
    /// Start of the unread line in `buffer`, counted into `position` already.
    taken: usize,
    torn: bool,
    /// Bytes the next read asks for.
    block: usize,
    record: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> RecordReader<T> {
    /// Reads `path` from its beginning.
    pub(crate) fn open(path: PathBuf) -> Result<Self, RecordError> {
        let file = files::open_read(&path)?;
        Ok(Self {
            path,
            file,
            position: 0,
            line: 0,
            buffer: Vec::new(),
            taken: 0,
            torn: false,
            block: FIRST,
            record: PhantomData,
        })
    }

    /// Goes to `position`, a value [`RecordReader::position`] gave for the same file. Line numbers in errors
    /// count from there.
    pub fn seek(&mut self, position: u64) {
        self.position = position;
        self.line = 0;
        self.forget();
    }

    /// Goes on behind `lines` lines that end at `position`.
    pub(crate) fn resume(&mut self, position: u64, lines: u64) {
        self.seek(position);
        self.line = lines;
    }

    /// Lines before the next record.
    pub(crate) fn lines(&self) -> u64 {
        self.line
    }

    /// Whether the file ended in an incomplete line when it was last read to its end. Such a line is still
    /// being written, or its writer died.
    #[must_use]
    pub fn torn(&self) -> bool {
        self.torn
    }

    /// Bytes of the file before the next record.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn forget(&mut self) {
        self.buffer.clear();
        self.buffer.shrink_to(BLOCK);
        self.taken = 0;
    }

    /// The next whole line as a range of the buffer.
    fn next_line(&mut self) -> Result<Option<std::ops::Range<usize>>, RecordError> {
        let mut searched = self.taken;
        loop {
            if let Some(found) = memchr(b'\n', &self.buffer[searched..]) {
                let line = self.taken..searched + found;
                self.taken = line.end + 1;
                self.position += (self.taken - line.start) as u64;
                self.line += 1;
                return Ok(Some(line));
            }
            self.buffer.drain(..self.taken);
            self.taken = 0;
            searched = self.buffer.len();
            if !self.read_more()? {
                // What is left is read again next time: its writer may take a failed line back.
                self.torn = !self.buffer.is_empty();
                self.forget();
                return Ok(None);
            }
        }
    }

    fn read_more(&mut self) -> Result<bool, RecordError> {
        if self.file.is_none() {
            self.file = files::open_read(&self.path)?;
        }
        let Some(file) = &self.file else { return Ok(false) };
        let have = self.buffer.len();
        self.buffer.resize(have + self.block, 0);
        let read = loop {
            match file.read_at(&mut self.buffer[have..], self.position + have as u64) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let count = read.as_ref().copied().unwrap_or(0);
        self.buffer.truncate(have + count);
        if count == self.block {
            self.block = BLOCK;
        }
        read.map(|count| count > 0).map_err(RecordError::io("read", &self.path))
    }
}

impl<T: DeserializeOwned> Iterator for RecordReader<T> {
    type Item = Result<T, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = match self.next_line() {
                Ok(line) => &self.buffer[line?],
                Err(error) => return Some(Err(error)),
            };
            if line.trim_ascii().is_empty() {
                continue;
            }
            return Some(serde_json::from_slice(line).map_err(|source| RecordError::BadJson {
                path: self.path.clone(),
                line: self.line,
                source,
            }));
        }
    }
}
