//! The bytes of a log, plain or packed.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::index::read_full_at;
use crate::packed::{PackedReader, packed_path};
use crate::{RecordError, files};

/// Where the bytes of a log come from.
#[derive(Debug)]
pub(super) enum LogFile {
    Plain(File),
    Packed(Box<PackedReader>),
}

impl LogFile {
    /// Opens a log, and says in which file it is. `None` when there is none yet.
    pub(super) fn open(plain: &Path) -> Result<Option<(Self, PathBuf)>, RecordError> {
        // The packed one is in place before the plain one goes, so one of them is found.
        if let Some(file) = files::open_read(plain)? {
            return Ok(Some((Self::Plain(file), plain.to_owned())));
        }
        let path = packed_path(plain);
        let Some(file) = files::open_read(&path)? else { return Ok(None) };
        let packed = PackedReader::open(file).map_err(RecordError::io("read", &path))?;
        Ok(Some((Self::Packed(Box::new(packed)), path)))
    }

    /// Length of the log in bytes.
    pub(super) fn len(&self) -> io::Result<u64> {
        match self {
            Self::Plain(file) => Ok(file.metadata()?.len()),
            Self::Packed(packed) => Ok(packed.len()),
        }
    }

    /// Fills `bytes` with the log from `offset` on.
    pub(super) fn read_exact_at(&mut self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            Self::Plain(file) if read_full_at(file, bytes, offset)? == bytes.len() => Ok(()),
            Self::Plain(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            Self::Packed(packed) => packed.read_exact_at(bytes, offset),
        }
    }
}
