//! What a log asks of its disk.

use std::fs::File;
use std::io;
use std::ops::Range;

use nix::sys::statvfs::fstatvfs;

/// Bytes a person without privileges may still write.
pub(super) fn free(file: &File) -> io::Result<u64> {
    let disk = fstatvfs(file)?;
    // Their widths differ between systems.
    #[allow(clippy::useless_conversion, clippy::allow_attributes, reason = "not useless everywhere")]
    let (blocks, size) = (u64::from(disk.blocks_available()), u64::from(disk.fragment_size()));
    Ok(blocks.saturating_mul(size))
}

/// Gives the blocks of a range back. The file keeps its length, and reads as zeros there.
#[cfg(target_os = "linux")]
pub(super) fn give_back(file: &File, range: Range<u64>) -> io::Result<()> {
    use nix::fcntl::{FallocateFlags, fallocate};

    let wrong = |_| io::Error::from(io::ErrorKind::FileTooLarge);
    let (from, len) = (i64::try_from(range.start).map_err(wrong)?, i64::try_from(range.end - range.start));
    let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    Ok(fallocate(file, flags, from, len.map_err(wrong)?)?)
}

/// Gives the blocks of a range back, which this system cannot.
#[cfg(not(target_os = "linux"))]
pub(super) fn give_back(_: &File, _: Range<u64>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
