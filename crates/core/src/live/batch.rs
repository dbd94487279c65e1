//! Output on its way to become one event.

use memchr::memrchr;
use roboppi_ipc::utf8::incomplete_suffix;
use roboppi_ipc::{OutputStream, UtcMillis};

/// A stretch of one stream, contiguous in the log.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) stream: OutputStream,
    pub(super) offset: u64,
    pub(super) ts: UtcMillis,
    bytes: Vec<u8>,
}

impl Default for Batch {
    fn default() -> Self {
        Self { stream: OutputStream::Stdout, offset: 0, ts: UtcMillis(0), bytes: Vec::new() }
    }
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Offset of the byte after it.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }

    /// Whether bytes of `stream` at `offset` can be added.
    pub(super) fn continues(&self, stream: OutputStream, offset: u64) -> bool {
        self.is_empty() || (self.stream == stream && self.end() == offset)
    }

    pub(super) fn add(&mut self, stream: OutputStream, offset: u64, ts: UtcMillis, bytes: &[u8]) {
        if self.is_empty() {
            (self.stream, self.offset, self.ts) = (stream, offset, ts);
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes that may be sent without cutting a character that is still to come.
    pub(super) fn whole_characters(&self) -> usize {
        self.bytes.len() - incomplete_suffix(&self.bytes)
    }

    /// Bytes to send of a full batch: whole lines if there is one, else whole characters.
    pub(super) fn whole_lines(&self) -> usize {
        match memrchr(b'\n', &self.bytes) {
            Some(newline) => newline + 1,
            None => match self.whole_characters() {
                0 => self.bytes.len(),
                whole => whole,
            },
        }
    }

    pub(super) fn first(&self, count: usize) -> &[u8] {
        &self.bytes[..count]
    }

    /// Drops the first `count` bytes; the rest stays.
    pub(super) fn drop_first(&mut self, count: usize) {
        self.offset += count as u64;
        self.bytes.drain(..count);
    }
}
