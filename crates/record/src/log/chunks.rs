//! Which stretch of a log came from where.

use super::{ChunkKind, Log, LogChunk, LogReader};
use crate::RecordError;
use crate::index::{Entry, EntryKind, LONGEST_STRETCH};

impl LogReader {
    /// The stretch that holds the byte at `offset`; `None` behind the end.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn chunk_at(&mut self, offset: u64) -> Result<Option<LogChunk>, RecordError> {
        if offset >= self.len {
            return Ok(None);
        }
        let (entry, next) = self.index.around(offset)?;
        let Some(hole) = self.hole() else {
            let end = next.map_or(self.len, |next| next.offset.clamp(offset + 1, self.len));
            return Ok(Some(stretch(entry, offset, end)));
        };
        if (hole.from..hole.to).contains(&offset) {
            let len = hole.to.min(self.len) - hole.from;
            return Ok(Some(LogChunk { kind: ChunkKind::Lost, ts: None, offset: hole.from, len }));
        }
        // A stretch that reaches into the hole, or out of it, is shorter.
        let limit = if offset < hole.from { hole.from } else { self.len };
        let end = next.map_or(limit, |next| next.offset.clamp(offset + 1, limit));
        let mut chunk = stretch(entry, offset, end);
        if offset >= hole.to && chunk.offset < hole.to {
            chunk.len -= hole.to - chunk.offset;
            chunk.offset = hole.to;
        }
        Ok(Some(chunk))
    }
}

/// The stretch `entry` speaks for, or the one behind it that nothing speaks for.
fn stretch(entry: Option<Entry>, offset: u64, end: u64) -> LogChunk {
    let unknown = |from: u64| LogChunk { kind: ChunkKind::Unknown, ts: None, offset: from, len: end - from };
    let Some(entry) = entry else { return unknown(0) };
    let known =
        |kind, end: u64| LogChunk { kind, ts: Some(entry.ts), offset: entry.offset, len: end - entry.offset };
    let limit = entry.offset.saturating_add(LONGEST_STRETCH);
    match entry.kind {
        EntryKind::Lost => known(ChunkKind::Lost, end),
        EntryKind::Unknown | EntryKind::End => known(ChunkKind::Unknown, end),
        EntryKind::Output(_) if offset >= limit => unknown(limit),
        EntryKind::Output(stream) => known(ChunkKind::Output(stream), end.min(limit)),
    }
}

/// The stretches of a log, in order. Together they cover it without holes.
#[derive(Debug)]
pub struct Chunks<'a> {
    log: &'a mut dyn Log,
    offset: u64,
}

impl<'a> Chunks<'a> {
    /// Those from the stretch on that holds the byte at `offset`.
    pub fn new(log: &'a mut dyn Log, offset: u64) -> Self {
        Self { log, offset }
    }
}

impl Iterator for Chunks<'_> {
    type Item = Result<LogChunk, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.log.chunk_at(self.offset).transpose()? {
            Ok(chunk) => {
                self.offset = chunk.offset + chunk.len;
                Some(Ok(chunk))
            }
            Err(error) => {
                self.offset = u64::MAX;
                Some(Err(error))
            }
        }
    }
}
