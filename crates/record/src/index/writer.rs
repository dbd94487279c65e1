//! Writes the index of a log.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::{ENTRY_LEN, Entry, EntryKind, HEADER, HEADER_LEN, Sum};
use crate::disk::Reserve;
use crate::{RecordError, files};

/// Entries kept in memory while the file cannot be written.
const MOST_WAITING: usize = 4096;

/// Room for the entries that say what is missing and where the log ends.
const AHEAD: u64 = 4 * 1024;

/// Appends entries. One that cannot be written waits for the next: the log goes on without its index.
#[derive(Debug)]
pub(crate) struct IndexWriter {
    path: PathBuf,
    file: Option<File>,
    written: u64,
    waiting: Vec<Entry>,
    /// The entry before the next one was dropped, so its sum would be of other bytes.
    parted: bool,
    reserve: Reserve,
    buffer: Vec<u8>,
}

impl IndexWriter {
    pub(crate) fn new(path: PathBuf) -> Self {
        let reserve = Reserve::new(AHEAD);
        Self { path, file: None, written: 0, waiting: Vec::new(), parted: false, reserve, buffer: Vec::new() }
    }

    /// Adds an entry and writes all that wait.
    pub(crate) fn push(&mut self, mut entry: Entry) -> Result<(), RecordError> {
        if self.waiting.len() >= MOST_WAITING {
            // Who wrote a stretch may be forgotten, at worst; that something is missing may not.
            self.waiting.retain(|entry| entry.kind == EntryKind::Lost);
            for entry in &mut self.waiting {
                entry.sum = Sum::NONE;
            }
            self.parted = true;
        }
        if std::mem::take(&mut self.parted) {
            entry.sum = Sum::NONE;
        }
        self.waiting.push(entry);
        self.flush()
    }

    /// Gives back what was reserved and is not needed any more.
    pub(crate) fn close(&mut self) {
        if let Some(file) = &self.file {
            self.reserve.release(file, HEADER_LEN as u64 + self.len());
        }
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
        self.reserve.renew(file, HEADER_LEN as u64 + self.written * ENTRY_LEN as u64);
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
