//! The log of an attempt in memory.

use memchr::memchr_iter;
use roboppi_ipc::{OutputStream, UtcMillis};

use crate::Appended;
use crate::index::{Entry, EntryKind, HEADER, LONGEST_STRETCH, Sum};
use crate::read_at::MemoryFile;
use crate::spool::Stretch;

/// The bytes of a log and its index, written as a [`SpoolWriter`](crate::SpoolWriter) writes them to files.
#[derive(Debug, Default)]
pub(super) struct MemoryLog {
    bytes: MemoryFile,
    index: MemoryFile,
    lines: u64,
    stretch: Option<Stretch>,
}

impl MemoryLog {
    pub(super) fn append(&mut self, stream: OutputStream, bytes: &[u8], ts: UtcMillis) -> Appended {
        let appended = Appended { offset: self.bytes.len(), len: bytes.len() as u64 };
        for piece in bytes.chunks(LONGEST_STRETCH as usize) {
            let (offset, len) = (self.bytes.len(), piece.len() as u64);
            if !self.stretch.as_ref().is_some_and(|stretch| stretch.covers(stream, ts, offset + len)) {
                self.stretch = Some(Stretch { stream, ts, offset });
                self.note(EntryKind::Output(stream), ts);
            }
            self.lines += memchr_iter(b'\n', piece).count() as u64;
            self.bytes.append(piece);
        }
        appended
    }

    pub(super) fn lose(&mut self, len: u64, ts: UtcMillis) {
        self.stretch = None;
        self.note(EntryKind::Lost, ts);
        self.bytes.append(&vec![0; usize::try_from(len).unwrap_or(0)]);
    }

    /// Records that nothing more comes.
    pub(super) fn close(&self, ts: UtcMillis) {
        if self.bytes.len() > 0 {
            self.note(EntryKind::End, ts);
        }
    }

    pub(super) fn bytes(&self) -> MemoryFile {
        self.bytes.clone()
    }

    pub(super) fn index(&self) -> MemoryFile {
        self.index.clone()
    }

    /// Writes an entry for what comes next. There are no checksums: memory is not damaged.
    fn note(&self, kind: EntryKind, ts: UtcMillis) {
        if self.index.len() == 0 {
            self.index.append(&HEADER);
        }
        let entry = Entry { offset: self.bytes.len(), line: self.lines, ts, kind, sum: Sum::NONE };
        self.index.append(&entry.encode());
    }
}
