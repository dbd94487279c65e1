//! What a record asks of its disk.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use nix::sys::statvfs::fstatvfs;

use crate::RecordError;

/// Bytes that are read at once to look at all of a file.
pub(crate) const MOST_PIECE: u64 = 256 * 1024;

/// Leaves the disk to others when it is nearly full.
#[derive(Debug)]
pub struct DiskWatch {
    least: u64,
    /// Bytes that may be written before the disk is looked at again.
    until_check: u64,
}

impl DiskWatch {
    /// `least` bytes are to stay free; 0 for no limit.
    #[must_use]
    pub const fn new(least: u64) -> Self {
        Self { least, until_check: 0 }
    }

    /// The same with a first look only after so many bytes.
    #[must_use]
    pub const fn after(self, bytes: u64) -> Self {
        Self { until_check: bytes, ..self }
    }

    /// Refuses `more` bytes for `file`, of which `path` is the name for people, when too little would stay free.
    ///
    /// # Errors
    /// [`RecordError::DiskFull`], and when the system does not say how much is free.
    pub fn check(&mut self, file: &File, path: &Path, more: u64) -> Result<(), RecordError> {
        /// Bytes between two looks.
        const FAR: u64 = 16 * 1024 * 1024;

        if self.least == 0 || self.until_check > more {
            self.until_check = self.until_check.saturating_sub(more);
            return Ok(());
        }
        let free = free(file).map_err(RecordError::io("look at the disk of", path))?;
        if free < self.least {
            self.until_check = 0;
            return Err(RecordError::DiskFull { path: path.to_owned(), free, least: self.least });
        }
        self.until_check = FAR.min(free - self.least);
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

/// Room on the disk that a file keeps ahead of its end, so that it can still grow a little when the disk is full. Where
/// the file system cannot do this there is none.
#[derive(Debug)]
pub(crate) struct Reserve {
    ahead: u64,
    /// Where the room ends.
    until: u64,
    /// Bytes that were reserved last.
    granted: u64,
    is_possible: bool,
}

impl Reserve {
    /// `ahead` bytes are to be there, and never less than half of them unless the disk is full.
    pub(crate) const fn new(ahead: u64) -> Self {
        Self { ahead, until: 0, granted: 0, is_possible: true }
    }

    /// Makes room again for a file that is `len` bytes long, when too little is left. On a full disk that is tried again
    /// the next time.
    pub(crate) fn renew(&mut self, file: &File, len: u64) {
        /// Less is not worth a call.
        const LEAST: u64 = 4 * 1024;

        let mut ahead = self.ahead;
        while self.is_possible && ahead >= LEAST && len + ahead / 2 > self.until {
            match allocate(file, len, ahead) {
                Ok(()) => (self.until, self.granted) = (len + ahead, ahead),
                Err(error) if is_full(&error) => ahead /= 2,
                Err(_) => self.is_possible = false,
            }
        }
    }

    /// Makes sure of room for `bytes` behind the `len` bytes of a file, and for what is to be ahead of them, with one call if
    /// that room is not there already.
    pub(crate) fn ensure(&mut self, file: &File, len: u64, bytes: u64) -> io::Result<()> {
        if !self.is_possible || len + bytes <= self.until {
            return Ok(());
        }
        if self.ahead > 0 {
            match allocate(file, len, bytes + self.ahead) {
                Ok(()) => {
                    (self.until, self.granted) = (len + bytes + self.ahead, self.ahead);
                    return Ok(());
                }
                Err(error) if is_full(&error) => {}
                Err(_) => {
                    self.is_possible = false;
                    return Ok(());
                }
            }
        }
        has_room(file, len, bytes)
    }

    /// The file was cut off at its end, and with that what was ahead of it.
    pub(crate) const fn forget(&mut self) {
        self.until = 0;
    }

    /// As if the disk were full from now on. Gives where the room ends; 0 when there is none.
    #[cfg(test)]
    pub(crate) const fn stop_here(&mut self) -> u64 {
        self.ahead = 0;
        self.until
    }

    /// Whether there was never any room, though the file system can reserve it.
    pub(crate) const fn is_refused(&self) -> bool {
        self.is_possible && self.ahead > 0 && self.until == 0
    }

    /// Whether so little is left behind `len` bytes, on a disk that is full, that it is for the end of the file.
    pub(crate) const fn is_for_the_end(&self, len: u64) -> bool {
        self.is_possible && self.until > 0 && len + self.granted / 4 > self.until
    }

    /// Gives back what is left of the room behind the `len` bytes of a file that grows no more.
    pub(crate) fn release(&mut self, file: &File, len: u64) {
        if std::mem::take(&mut self.until) > len {
            // It only takes room.
            let _ = file.set_len(len);
        }
    }
}

/// Whether so many bytes can be written to a file at an offset, as far as the file system says so beforehand.
pub(crate) fn has_room(file: &File, offset: u64, bytes: u64) -> io::Result<()> {
    match allocate(file, offset, bytes) {
        Err(error) if is_full(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Whether something could not be written for want of room: on the disk, of the quota, or below the largest size a file
/// may have.
pub(crate) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull, WriteZero};

    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge | WriteZero)
}

/// Has the system begin to write what it keeps of a file in memory, and does not wait for it.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the system call has no safe form")]
pub(crate) fn begin_to_write(file: &File) {
    use std::os::fd::AsRawFd;

    use nix::libc::{SYNC_FILE_RANGE_WRITE, sync_file_range};

    // SAFETY: the descriptor is open, and no memory is involved. Without it the system writes a little later.
    unsafe { sync_file_range(file.as_raw_fd(), 0, 0, SYNC_FILE_RANGE_WRITE) };
}

/// Nothing: this system writes in its own time.
#[cfg(not(target_os = "linux"))]
pub(crate) const fn begin_to_write(_: &File) {}

/// Takes blocks for a range of a file, whose length stays.
#[cfg(target_os = "linux")]
fn allocate(file: &File, from: u64, len: u64) -> io::Result<()> {
    use nix::fcntl::{FallocateFlags, fallocate};

    let offset = |bytes: u64| i64::try_from(bytes).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge));
    Ok(fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, offset(from)?, offset(len)?)?)
}

/// Takes blocks for a range of a file, which this system cannot.
#[cfg(not(target_os = "linux"))]
fn allocate(_: &File, _: u64, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn there_is_room_before_anything_is_written() {
        let file = tempfile::tempfile().unwrap();
        let mut reserve = Reserve::new(4_096);
        reserve.renew(&file, 0);
        reserve.ensure(&file, 0, 1_000).unwrap();
        let until = reserve.until;
        if until == 0 {
            // The file system cannot do this.
            return;
        }
        assert_eq!(until, 4_096, "no call for what is there");
        reserve.ensure(&file, 1_000, 100_000).unwrap();
        assert_eq!(reserve.until, 105_096);
        let metadata = file.metadata().unwrap();
        assert_eq!(metadata.len(), 0);
        assert!(metadata.blocks() * 512 >= 105_096 - 1_000, "{} blocks", metadata.blocks());
    }
}
