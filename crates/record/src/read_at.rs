//! A file that is read at any offset: on disk, or in memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, PoisonError, RwLock};

/// Where the bytes of a file of the record come from.
#[derive(Debug)]
pub(crate) enum ReadAt {
    Disk(File),
    Memory(MemoryFile),
}

impl ReadAt {
    /// Length in bytes.
    pub(crate) fn len(&self) -> io::Result<u64> {
        match self {
            Self::Disk(file) => Ok(file.metadata()?.len()),
            Self::Memory(file) => Ok(file.len()),
        }
    }

    /// Reads until `buffer` is full or the file ends. Returns how much was read.
    pub(crate) fn read_full_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::Disk(file) => read_full_at(file, buffer, offset),
            Self::Memory(file) => Ok(file.read_at(buffer, offset)),
        }
    }
}

/// A file in memory. Clones are the same file.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryFile(Arc<RwLock<Vec<u8>>>);

impl MemoryFile {
    pub(crate) fn append(&self, bytes: &[u8]) {
        // An append that panicked has added nothing.
        self.0.write().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> usize {
        let bytes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        count
    }
}

/// Reads until `buffer` is full or the file ends. Returns how much was read.
pub(crate) fn read_full_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
