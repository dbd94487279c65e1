//! Text beside the record that may become long, as far as it is kept.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::{RecordError, RunDir, files};

/// Bytes of the beginning that are kept.
const HEAD: u64 = 1024 * 1024;

/// Bytes of the end that are kept, at least; there are never twice as many.
const TAIL: usize = 256 * 1024;

/// Appends to a file of which the beginning and the end are kept: 1.5 MiB at most. Processes that follow each other append to
/// the same file; two at a time must not.
///
/// Whoever is killed leaves a whole file: the end is in it at once, and what is between is cut out now and then.
#[derive(Debug)]
pub struct BoundedFile {
    file: File,
    path: PathBuf,
    len: u64,
    /// The end of what was written here.
    tail: Vec<u8>,
    /// Bytes in all, whether or not they are there.
    total: u64,
}

impl BoundedFile {
    /// Opens `core.stderr` of a run, for the owner alone.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn core_stderr(run: &RunDir) -> Result<Self, RecordError> {
        Self::open(run.core_stderr_path())
    }

    /// Opens a file of a run directory, for the owner alone, and makes it when it is not there.
    ///
    /// # Errors
    /// When it cannot be opened, or is a link.
    pub fn open(path: PathBuf) -> Result<Self, RecordError> {
        let file = files::open_or_create_append(&path)?;
        let len = file.metadata().map_err(RecordError::io("read", &path))?.len();
        Ok(Self { file, path, len, tail: Vec::new(), total: len })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), RecordError> {
        for bytes in bytes.chunks(TAIL) {
            self.tail.extend_from_slice(bytes);
            // Not at each line: what is kept moves in memory.
            if self.tail.len() > 2 * TAIL {
                self.tail.drain(..self.tail.len() - TAIL);
            }
            self.total += bytes.len() as u64;
            if self.len + bytes.len() as u64 > HEAD + 2 * TAIL as u64 {
                self.cut()?;
            } else {
                self.write(bytes)?;
            }
        }
        Ok(())
    }

    /// Cuts out what is neither the beginning nor the end. The end, with what is about to be appended, is in `tail`.
    fn cut(&mut self) -> Result<(), RecordError> {
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
        let missing = self.total - HEAD - self.tail.len() as u64;
        self.file.set_len(HEAD).map_err(RecordError::io("cut", &self.path))?;
        self.len = HEAD;
        self.write(format!("\n[{missing} bytes are missing here]\n").as_bytes())?;
        let tail = std::mem::take(&mut self.tail);
        let written = self.write(&tail);
        self.tail = tail;
        written
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), RecordError> {
        self.file.write_all(bytes).map_err(RecordError::io("write", &self.path))?;
        self.len += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_and_the_end_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::at(dir.path().to_owned());
        let mut expected = Vec::new();
        // Three cores, one after the other.
        for core in 0..3 {
            let mut writer = BoundedFile::core_stderr(&run).unwrap();
            for at in 0..60_000 {
                let line = format!("core {core} says {at}\n");
                writer.append(line.as_bytes()).unwrap();
                expected.extend_from_slice(line.as_bytes());
                assert!(writer.len <= HEAD + 2 * TAIL as u64 + 100);
                assert!(writer.tail.len() <= 2 * TAIL);
            }
        }
        let kept = std::fs::read(run.core_stderr_path()).unwrap();
        assert!(kept.len() as u64 <= HEAD + 2 * TAIL as u64 + 100, "{}", kept.len());
        assert!(kept.starts_with(&expected[..HEAD as usize]));
        assert!(kept.ends_with(&expected[expected.len() - TAIL..]));
        assert!(String::from_utf8_lossy(&kept).contains("bytes are missing here"));
    }

    #[test]
    fn what_is_missing_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::at(dir.path().to_owned());
        let mut writer = BoundedFile::core_stderr(&run).unwrap();
        let total = 10 * 1024 * 1024;
        writer.append(&vec![b'x'; total]).unwrap();
        let kept = String::from_utf8(std::fs::read(run.core_stderr_path()).unwrap()).unwrap();
        let (before, after) = kept.split_once("\n[").unwrap();
        let (missing, after) = after.split_once(" bytes are missing here]\n").unwrap();
        assert_eq!(before.len() + missing.parse::<usize>().unwrap() + after.len(), total);
    }
}
