//! How far files of other programs were read.
//!
//! Each source has a file `watched/<hash of its name>.json`, and a lock beside it: one process reads a source at a time, and the lock goes
//! with the process.

use std::fs::{File, TryLockError};
use std::path::PathBuf;

use crate::{RecordError, StateRoot, files, fingerprint};

/// Bytes of a checkpoint.
const LONGEST: u64 = 16 * 1024 * 1024;

/// The exclusive right to read a source, and how far it was read.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    /// Held until it is closed.
    _lock: File,
}

impl StateRoot {
    /// The checkpoint of a source; `None` while another process reads it.
    ///
    /// # Errors
    /// When the directory cannot be made, or the lock cannot be tried.
    pub fn checkpoint(&self, source: &str) -> Result<Option<Checkpoint>, RecordError> {
        let dir = self.path().join("watched");
        files::create_dirs(&dir)?;
        let name = fingerprint(source.as_bytes());
        let path = dir.join(format!("{name}.lock"));
        let lock = files::open_shared(&path)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Checkpoint { path: dir.join(format!("{name}.json")), _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(RecordError::io("lock", &path)(error)),
        }
    }
}

impl Checkpoint {
    /// What was saved last; `None` when nothing was.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn load(&self) -> Result<Option<Vec<u8>>, RecordError> {
        use std::io::Read as _;

        let Some(file) = files::open_read(&self.path)? else { return Ok(None) };
        let mut content = Vec::new();
        file.take(LONGEST).read_to_end(&mut content).map_err(RecordError::io("read", &self.path))?;
        Ok(Some(content))
    }

    /// Saves how far it was read: the whole of it, or nothing.
    ///
    /// # Errors
    /// When it cannot be written. What was saved before is still there.
    pub fn save(&self, content: &[u8]) -> Result<(), RecordError> {
        files::replace(&self.path, content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_reads_a_source_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let root = StateRoot::at(dir.path().join("state"));
        let first = root.checkpoint("../../a").unwrap().unwrap();
        assert!(first.load().unwrap().is_none() && root.checkpoint("../../a").unwrap().is_none());
        assert!(root.checkpoint("b").unwrap().is_some());
        first.save(b"one").unwrap();
        first.save(b"two").unwrap();
        drop(first);
        let next = root.checkpoint("../../a").unwrap().unwrap();
        assert_eq!(next.load().unwrap().as_deref(), Some(b"two".as_slice()));
    }
}
