//! Reads files of JSON lines while they grow.

use std::fs::File;
use std::marker::PhantomData;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use memchr::{memchr, memchr2};
use roboppi_run::JournalRecord;
use serde::de::DeserializeOwned;

use crate::{RecordError, files};

/// Reads the journal of a run.
pub type JournalReader = RecordReader<JournalRecord>;

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
    /// Where the line last read begins.
    last: u64,
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
            last: 0,
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

    /// Goes further on. Lines that are passed over are not counted.
    pub(crate) fn go_to(&mut self, position: u64) {
        self.position = position;
        self.forget();
    }

    /// Where the record last read begins.
    pub(crate) const fn before_last(&self) -> u64 {
        self.last
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

    /// The open file, when it was there.
    pub(crate) const fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    fn forget(&mut self) {
        self.buffer.clear();
        self.buffer.shrink_to(BLOCK);
        self.taken = 0;
    }

    /// The next record. A zero byte is in no record: with `stop_at_zeros` nothing is read of a line that holds one.
    pub(crate) fn next_record(&mut self, stop_at_zeros: bool) -> NextLine<T> {
        loop {
            let line = match self.next_line(stop_at_zeros) {
                Ok(Line::Whole(line)) => &self.buffer[line],
                Ok(Line::Zeros) => return NextLine::Zeros,
                Ok(Line::End) => return NextLine::End,
                Err(error) => return NextLine::Failed(error),
            };
            if line.trim_ascii().is_empty() {
                continue;
            }
            return match serde_json::from_slice(line) {
                Ok(record) => NextLine::Record(Box::new(record)),
                Err(source) => {
                    let path = self.path.clone();
                    NextLine::Failed(RecordError::BadJson { path, line: self.line, source })
                }
            };
        }
    }

    /// The next whole line as a range of the buffer.
    fn next_line(&mut self, stop_at_zeros: bool) -> Result<Line, RecordError> {
        let mut searched = self.taken;
        loop {
            let unread = &self.buffer[searched..];
            let found = if stop_at_zeros { memchr2(b'\n', 0, unread) } else { memchr(b'\n', unread) };
            if let Some(found) = found {
                if self.buffer[searched + found] == 0 {
                    return Ok(Line::Zeros);
                }
                let line = self.taken..searched + found;
                self.taken = line.end + 1;
                self.last = self.position;
                self.position += (self.taken - line.start) as u64;
                self.line += 1;
                return Ok(Line::Whole(line));
            }
            self.buffer.drain(..self.taken);
            self.taken = 0;
            if self.buffer.len() < BLOCK {
                // The first line of a journal has all steps; no other one is nearly as long.
                self.buffer.shrink_to(4 * BLOCK);
            }
            searched = self.buffer.len();
            if !self.read_more()? {
                // What is left is read again next time: its writer may take a failed line back.
                self.torn = !self.buffer.is_empty();
                self.forget();
                return Ok(Line::End);
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
        match self.next_record(false) {
            NextLine::Record(record) => Some(Ok(*record)),
            NextLine::Failed(error) => Some(Err(error)),
            NextLine::End | NextLine::Zeros => None,
        }
    }
}

/// What comes next in a file of records.
pub(crate) enum NextLine<T> {
    Record(Box<T>),
    /// A line that is no record, behind which one can go on, or a file that cannot be read.
    Failed(RecordError),
    /// A line that holds zero bytes; it was not read.
    Zeros,
    /// Nothing more, for now.
    End,
}

/// The same before it is decoded.
enum Line {
    Whole(Range<usize>),
    Zeros,
    End,
}
