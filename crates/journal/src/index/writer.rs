//! Writes the index of a log.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::{ENTRY_LEN, Entry, EntryKind, HEADER, HEADER_LEN};
use crate::{RecordError, files};

/// Entries kept in memory while the file cannot be written.
const MOST_WAITING: usize = 4096;

/// Appends entries. One that cannot be written waits for the next: the log goes on without its index.
#[derive(Debug)]
pub(crate) struct IndexWriter {
    path: PathBuf,
    file: Option<File>,
    written: u64,
    waiting: Vec<Entry>,
    buffer: Vec<u8>,
}

impl IndexWriter {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, file: None, written: 0, waiting: Vec::new(), buffer: Vec::new() }
    }

    /// Adds an entry and writes all that wait.
    pub(crate) fn push(&mut self, entry: Entry) -> Result<(), RecordError> {
        if self.waiting.len() >= MOST_WAITING {
            // Who wrote a stretch may be forgotten, at worst; that something is missing may not.
            self.waiting.retain(|entry| entry.kind == EntryKind::Lost);
        }
        self.waiting.push(entry);
        self.flush()
    }

    /// Length of the file in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.written * ENTRY_LEN as u64
    }

    /// Writes the entries that wait.
    pub(crate) fn flush(&mut self) -> Result<(), RecordError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            empty => empty.insert(files::create_write(&self.path)?),
        };
        self.buffer.clear();
        let at = if self.written == 0 {
            self.buffer.extend_from_slice(&HEADER);
            0
        } else {
            HEADER_LEN as u64 + self.written * ENTRY_LEN as u64
        };
        for entry in &self.waiting {
            self.buffer.extend_from_slice(&entry.encode());
        }
        // At a fixed place, so that a part of an entry is written over and does not shift the others.
        file.write_all_at(&self.buffer, at).map_err(RecordError::io("write", &self.path))?;
        self.written += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }
}
