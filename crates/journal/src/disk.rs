//! What a record asks of its disk.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use nix::sys::statvfs::fstatvfs;

use crate::RecordError;

/// Leaves the disk to others when it is nearly full.
#[derive(Debug)]
pub struct DiskWatch {
    least: u64,
    /// Bytes that may be written before the disk is looked at again.
    until_look: u64,
}

impl DiskWatch {
    /// `least` bytes are to stay free; 0 for no limit.
    #[must_use]
    pub const fn new(least: u64) -> Self {
        Self { least, until_look: 0 }
    }

    /// The same with a first look only after so many bytes.
    #[must_use]
    pub const fn after(self, bytes: u64) -> Self {
        Self { until_look: bytes, ..self }
    }

    /// Refuses `more` bytes for `file`, of which `path` is the name for people, when too little would stay free.
    ///
    /// # Errors
    /// [`RecordError::DiskFull`], and when the system does not say how much is free.
    pub fn look(&mut self, file: &File, path: &Path, more: u64) -> Result<(), RecordError> {
        /// Bytes between two looks.
        const FAR: u64 = 16 * 1024 * 1024;

        if self.least == 0 || self.until_look > more {
            self.until_look = self.until_look.saturating_sub(more);
            return Ok(());
        }
        let free = free(file).map_err(RecordError::io("look at the disk of", path))?;
        if free < self.least {
            self.until_look = 0;
            return Err(RecordError::DiskFull { path: path.to_owned(), free, least: self.least });
        }
        self.until_look = FAR.min(free - self.least);
        Ok(())
    }
}

/// Bytes a person without privileges may still write.
fn free(file: &File) -> io::Result<u64> {
    let disk = fstatvfs(file)?;
    // Their widths differ between systems.
    #[allow(clippy::useless_conversion, clippy::allow_attributes, reason = "not useless everywhere")]
    let (blocks, size) = (u64::from(disk.blocks_available()), u64::from(disk.fragment_size()));
    Ok(blocks.saturating_mul(size))
}

/// Gives the blocks of a range back. The file keeps its length, and reads as zeros there.
#[cfg(target_os = "linux")]
pub(crate) fn give_back(file: &File, range: Range<u64>) -> io::Result<()> {
    use nix::fcntl::{FallocateFlags, fallocate};

    let wrong = |_| io::Error::from(io::ErrorKind::FileTooLarge);
    let (from, len) = (i64::try_from(range.start).map_err(wrong)?, i64::try_from(range.end - range.start));
    let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    Ok(fallocate(file, flags, from, len.map_err(wrong)?)?)
}

/// Gives the blocks of a range back, which this system cannot.
#[cfg(not(target_os = "linux"))]
pub(crate) fn give_back(_: &File, _: Range<u64>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
