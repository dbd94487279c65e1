//! The bytes of a log, plain or packed.

use std::io;
use std::path::{Path, PathBuf};

use crate::packed::{PackedReader, packed_path};
use crate::read_at::ReadAt;
use crate::{RecordError, files};

/// Where the bytes of a log come from.
#[derive(Debug)]
pub(super) enum LogFile {
    Plain(ReadAt),
    Packed(Box<PackedReader>),
}

impl LogFile {
    /// Opens a log, and says in which file it is. `None` when there is none yet.
    pub(super) fn open(plain: &Path) -> Result<Option<(Self, PathBuf)>, RecordError> {
        // The packed one is in place before the plain one goes, so one of them is found.
        if let Some(file) = files::open_read(plain)? {
            return Ok(Some((Self::Plain(ReadAt::Disk(file)), plain.to_owned())));
        }
        let path = packed_path(plain);
        let Some(file) = files::open_read(&path)? else { return Ok(None) };
        let packed = PackedReader::open(file).map_err(RecordError::io("read", &path))?;
        Ok(Some((Self::Packed(Box::new(packed)), path)))
    }

    /// Length of the log in bytes.
    pub(super) fn len(&self) -> io::Result<u64> {
        match self {
            Self::Plain(file) => file.len(),
            Self::Packed(packed) => Ok(packed.len()),
        }
    }

    /// Fills `bytes` with the log from `offset` on.
    pub(super) fn read_exact_at(&mut self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            Self::Plain(file) if file.read_full_at(bytes, offset)? == bytes.len() => Ok(()),
            Self::Plain(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            Self::Packed(packed) => packed.read_exact_at(bytes, offset),
        }
    }
}
