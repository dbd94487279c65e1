//! The index of a log: which stretch came from which stream, when, and how many lines are before it.
//!
//! A header of 16 bytes, then entries of 32 bytes, little endian:
//!
//! | bytes | header | bytes | entry |
//! |---|---|---|---|
//! | 0..8 | `rbpidx\r\n` | 0..8 | offset in the log |
//! | 8..12 | version, 1 | 8..16 | newlines before the offset |
//! | 12..16 | length of an entry, 32 | 16..24 | UTC milliseconds |
//! | | | 24 | kind: 0 stdout, 1 stderr, 2 lost, 3 end, 255 not known |
//! | | | 25..28 | [`Sum`] of the bytes between the entry before and this one; 0 when there is none |
//! | | | 28..32 | checksum of bytes 0..28 |
//!
//! An entry holds from its offset to the offset of the next one, and a stretch of output for at most
//! [`LONGEST_STRETCH`] bytes. It is written *before* the bytes it describes, so a reader that takes the
//! length of the log first never sees output under the wrong name.
//!
//! A writer that closes its log says so with an entry of the kind end, whose offset is the length of the log. Nothing is
//! before the first entry: its sum is [`Sum::FIRST`] when the writer makes sums and an end, and 0 when it is of a version
//! that made neither. Such a version reads the entries of this one: it ignores the sums, and an end is behind all bytes.

use roboppi_ipc::{OutputStream, UtcMillis};

mod reader;
mod writer;

pub(crate) use reader::{IndexReader, Problem};
pub(crate) use writer::IndexWriter;

/// Bytes of output one entry can speak for. Also the distance a reader scans at most to find a line.
pub(crate) const LONGEST_STRETCH: u64 = 256 * 1024;

const HEADER_LEN: usize = 16;
const ENTRY_LEN: usize = 32;
pub(crate) const HEADER: [u8; HEADER_LEN] = *b"rbpidx\r\n\x01\0\0\0\x20\0\0\0";

/// What a stretch of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// Bytes of the worker.
    Output(OutputStream),
    /// Bytes that could not be written; the log reads as zeros there.
    Lost,
    /// Nothing follows.
    End,
    /// A kind of a newer version.
    Unknown,
}

/// The beginning of a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) offset: u64,
    pub(crate) line: u64,
    pub(crate) ts: UtcMillis,
    pub(crate) kind: EntryKind,
    /// Of the bytes before it, back to the entry before.
    pub(crate) sum: Sum,
}

/// What bytes of a log are compared with: the low 24 bits of their CRC-32, or 1 when those are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sum(u32);

impl Sum {
    /// Nothing to compare with.
    pub(crate) const NONE: Self = Self(0);
    /// Of the first entry.
    pub(crate) const FIRST: Self = Self(1);

    pub(crate) fn of(bytes: crc32fast::Hasher) -> Self {
        Self((bytes.finalize() & 0xff_ffff).max(1))
    }
}

impl Entry {
    pub(crate) fn encode(&self) -> [u8; ENTRY_LEN] {
        let mut bytes = [0; ENTRY_LEN];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.line.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.ts.0.to_le_bytes());
        bytes[24] = match self.kind {
            EntryKind::Output(OutputStream::Stdout) => 0,
            EntryKind::Output(OutputStream::Stderr) => 1,
            EntryKind::Lost => 2,
            EntryKind::End => 3,
            EntryKind::Unknown => u8::MAX,
        };
        bytes[25..28].copy_from_slice(&self.sum.0.to_le_bytes()[..3]);
        let sum = checksum(&bytes[..28]);
        bytes[28..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// `None` when the bytes are damaged.
    fn decode(bytes: &[u8; ENTRY_LEN]) -> Option<Self> {
        let word = |at: usize| bytes[at..].first_chunk().map(|word| u64::from_le_bytes(*word));
        let sum = bytes.last_chunk().map(|sum| u32::from_le_bytes(*sum))?;
        if sum != checksum(&bytes[..28]) {
            return None;
        }
        let kind = match bytes[24] {
            0 => EntryKind::Output(OutputStream::Stdout),
            1 => EntryKind::Output(OutputStream::Stderr),
            2 => EntryKind::Lost,
            3 => EntryKind::End,
            _ => EntryKind::Unknown,
        };
        let sum = Sum(u32::from_le_bytes([bytes[25], bytes[26], bytes[27], 0]));
        let entry = Self { offset: word(0)?, line: word(8)?, ts: UtcMillis(word(16)?), kind, sum };
        (entry.line <= entry.offset).then_some(entry)
    }
}

/// FNV-1a. Finds torn and overwritten entries, zeros included; nobody is kept from forging one.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
