//! The part of a log that was given up to keep within a budget.
//!
//! `<base>.hole` is 36 bytes, little endian: `rbphole\x01`, where the part begins, where it ends, how many
//! newlines were before its end, and a checksum of the 32 bytes before. The part only grows, at its end. It is
//! written *before* the bytes are given back to the file system, so a reader that looks here after it has read
//! never takes the zeros that are left for output.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::index::checksum;
use crate::read_at::read_full_at;
use crate::{RecordError, files};

const MAGIC: [u8; 8] = *b"rbphole\x01";
const LEN: usize = 36;

/// What is not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    /// Offset of its first byte.
    pub(crate) from: u64,
    /// Offset behind its last byte.
    pub(crate) to: u64,
    /// Newlines before `to`.
    pub(crate) line: u64,
}

impl Hole {
    pub(crate) const fn len(&self) -> u64 {
        self.to - self.from
    }

    fn encode(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.from.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.to.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.line.to_le_bytes());
        let sum = checksum(&bytes[..32]);
        bytes[32..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// The hole in the content of its file.
    pub(crate) fn parse(content: &[u8]) -> Option<Self> {
        Self::decode(content.try_into().ok()?)
    }

    fn decode(bytes: &[u8; LEN]) -> Option<Self> {
        let word = |at: usize| bytes[at..].first_chunk().map(|word| u64::from_le_bytes(*word));
        let sum = bytes.last_chunk().map(|sum| u32::from_le_bytes(*sum))?;
        if bytes[..8] != MAGIC || sum != checksum(&bytes[..32]) {
            return None;
        }
        let hole = Self { from: word(8)?, to: word(16)?, line: word(24)? };
        (hole.from < hole.to).then_some(hole)
    }
}

/// Says where the hole of a log is.
#[derive(Debug)]
pub(crate) struct HoleWriter {
    path: PathBuf,
    file: Option<File>,
}

impl HoleWriter {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    pub(crate) fn write(&mut self, hole: Hole) -> Result<(), RecordError> {
        let file = match &mut self.file {
            Some(file) => file,
            empty => empty.insert(files::create_write(&self.path)?),
        };
        file.write_all_at(&hole.encode(), 0).map_err(RecordError::io("write", &self.path))
    }
}

/// Knows where the hole of a log is, while it grows.
#[derive(Debug)]
pub(crate) struct HoleReader {
    /// `None` when there can be none.
    path: Option<PathBuf>,
    file: Option<File>,
    hole: Option<Hole>,
}

impl HoleReader {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path: Some(path), file: None, hole: None }
    }

    /// Of a log of which nothing is given up.
    pub(crate) const fn without() -> Self {
        Self { path: None, file: None, hole: None }
    }

    /// Looks again, and returns whether the hole is still `known`, with which something was read since. A reader must
    /// compare with what it has used: anything that looks again in between, such as the check of a sum, has seen a change first.
    pub(crate) fn is_still(&mut self, known: Option<Hole>) -> Result<bool, RecordError> {
        self.reload()?;
        Ok(self.hole == known)
    }

    /// Looks again.
    pub(crate) fn reload(&mut self) -> Result<(), RecordError> {
        /// A writer may be in the midst of its 36 bytes.
        const TRIES: u32 = 100;

        let Some(path) = &self.path else { return Ok(()) };
        if self.file.is_none() {
            self.file = files::open_read(path)?;
        }
        let Some(file) = &self.file else { return Ok(()) };
        for _ in 0..TRIES {
            let mut bytes = [0; LEN];
            read_full_at(file, &mut bytes, 0).map_err(RecordError::io("read", path))?;
            if let Some(found) = Hole::decode(&bytes) {
                self.hole = Some(found);
                return Ok(());
            }
            std::thread::yield_now();
        }
        // Damaged: what it said before still holds, because a hole never shrinks.
        Ok(())
    }

    pub(crate) const fn hole(&self) -> Option<Hole> {
        self.hole
    }
}
