//! A log that is over, made small.
//!
//! `<base>.log.zst` is in the seekable format of zstd: frames that each hold [`FRAME`] bytes of the log (the last one
//! fewer) with their checksum, and then one skippable frame with the lengths of all of them. Any program that reads
//! zstd gets the log from it, and this one reads a place of it without what is before.

use std::path::{Path, PathBuf};

mod reader;
mod writer;

pub(crate) use reader::PackedReader;
pub use writer::{PackedLogs, Packing};

/// Bytes of a log that are packed together, and unpacked for any one of them.
const FRAME: usize = 256 * 1024;

/// Begins a skippable frame.
const SKIPPABLE: u32 = 0x184d_2a5e;
/// Bytes before the table: the magic number and the length of the frame.
const TABLE_HEAD: u64 = 8;
/// Bytes of an entry: the length of a frame packed, and unpacked.
const ENTRY: u64 = 8;
/// Bytes behind the entries: their number, what they hold besides lengths, and [`SEEKABLE`].
const TABLE_FOOT: u64 = 9;
/// Ends a seekable file.
const SEEKABLE: u32 = 0x8f92_eab1;

/// The file a log is packed into.
pub(crate) fn packed_path(log: &Path) -> PathBuf {
    let mut path = log.as_os_str().to_owned();
    path.push(".zst");
    path.into()
}
