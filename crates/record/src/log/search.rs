//! Finds text in a whole log without loading it.

use std::ops::ControlFlow;

use memchr::memrchr;
use roboppi_untrusted::without_escapes;

use super::hits::Hits;
use super::{ChunkKind, LogChunk, LogReader, Mark, Needle};
use crate::RecordError;

/// Bytes read at a time. A line longer than this is searched in pieces.
const BLOCK: u64 = 1024 * 1024;
/// Pieces of one line overlap by so many bytes, so that what lies on their border is found.
const OVERLAP: u64 = 4 * 1024;

/// A line that holds what was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundLine {
    /// Its number, from 0.
    pub number: u64,
    /// Offset of its first byte.
    pub offset: u64,
}

/// Where a search goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SearchPosition {
    mark: Mark,
}

impl SearchPosition {
    /// The position of the line of number `line`, from 0, that begins at `offset`.
    #[must_use]
    pub const fn new(offset: u64, line: u64) -> Self {
        Self { mark: Mark { offset, line } }
    }

    /// Offset up to which everything was searched.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.mark.offset
    }

    /// Number of the line there, from 0.
    #[must_use]
    pub const fn line(&self) -> u64 {
        self.mark.line
    }
}

impl LogReader {
    /// The place where a search that begins with a line begins.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn search_from(&mut self, line: u64) -> Result<SearchPosition, RecordError> {
        let end = Mark { offset: self.len, line };
        Ok(SearchPosition { mark: self.locate(line)?.unwrap_or(end) })
    }

    /// Gives every line with what is looked for to `found`, each once and in order, from `from` on, until `found` has
    /// enough, or about `budget` bytes were searched, or the log ends. An incomplete last line is searched, and is
    /// searched again when it has grown. Gives the place to go on at; at the end of the log, that of its last line.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn search(
        &mut self,
        needle: &Needle,
        from: SearchPosition,
        budget: u64,
        mut found: impl FnMut(FoundLine) -> ControlFlow<()>,
    ) -> Result<SearchPosition, RecordError> {
        // A block that is used again is neither allocated nor wiped.
        let mut block = std::mem::take(&mut self.block);
        let reached = self.search_blocks(needle, from.mark, budget, &mut block, &mut found);
        self.block = block;
        Ok(SearchPosition { mark: reached? })
    }

    fn search_blocks(
        &mut self,
        needle: &Needle,
        from: Mark,
        budget: u64,
        block: &mut Vec<u8>,
        found: &mut impl FnMut(FoundLine) -> ControlFlow<()>,
    ) -> Result<Mark, RecordError> {
        let mut at = from;
        let stop = at.offset.saturating_add(budget);
        // A line that goes on in the next block, and was found already.
        let mut known = None;
        let mut chunk = None;
        while at.offset < self.len && at.offset < stop {
            let before = self.hole.hole();
            let hole = self.hole();
            if let Some(hole) = hole.filter(|hole| (hole.from..hole.to).contains(&at.offset)) {
                at = Mark { offset: hole.to.min(self.len), line: hole.line };
                continue;
            }
            let end = hole.map(|hole| hole.from).filter(|from| *from > at.offset).unwrap_or(self.len);
            let count = usize::try_from((end - at.offset).min(BLOCK)).unwrap_or_default();
            self.fill_all(block, at.offset, count)?;
            if !self.hole.is_still(before)? {
                // Some of it may have been given up while it was read.
                continue;
            }
            let is_last = at.offset + block.len() as u64 == end;
            let whole = memrchr(b'\n', block).map_or(0, |newline| newline + 1);
            let searched = if is_last || whole == 0 { block.len() } else { whole };
            let visible = without_escapes(&block[..searched]);
            let mut hits = Hits::new(needle, &visible, &block[..searched], at.line);
            while let Some((number, start)) = hits.next_line() {
                let line = FoundLine { number, offset: at.offset + start as u64 };
                if known.replace(number) == Some(number)
                    || !self.is_of_stream(needle, line.offset, &mut chunk)?
                {
                    continue;
                }
                if found(line).is_break() {
                    return Ok(Mark { offset: at.offset + hits.behind() as u64, line: number + 1 });
                }
            }
            let reached = Mark { offset: at.offset + searched as u64, line: hits.last_line() };
            if reached.offset == self.len && whole < searched {
                // The last line may go on.
                return Ok(Mark { offset: at.offset + whole as u64, line: reached.line });
            }
            let is_piece = whole == 0 && !is_last;
            // What lies on the border of two pieces of a line belongs to the second one too.
            at = if is_piece { Mark { offset: reached.offset - OVERLAP, ..reached } } else { reached };
        }
        Ok(at)
    }

    /// Whether the line that begins at `offset` is of the stream that is wanted. `known` is the stretch looked at last.
    fn is_of_stream(
        &mut self,
        needle: &Needle,
        offset: u64,
        known: &mut Option<LogChunk>,
    ) -> Result<bool, RecordError> {
        let Some(stream) = needle.stream() else { return Ok(true) };
        let covers = |chunk: &LogChunk| (chunk.offset..chunk.offset + chunk.len).contains(&offset);
        if !known.as_ref().is_some_and(covers) {
            *known = self.chunk_at(offset)?;
        }
        // What is not known to be of the other stream is shown.
        Ok(!known.is_some_and(|chunk| matches!(chunk.kind, ChunkKind::Output(other) if other != stream)))
    }

    /// The last line before `before` with what is looked for, among about `budget` bytes before that line, and the
    /// number of the first line that was searched: the place to go on at when it is not 0 and nothing was found.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn search_back(
        &mut self,
        needle: &Needle,
        before: u64,
        budget: u64,
    ) -> Result<(Option<FoundLine>, u64), RecordError> {
        let end = self.locate(before)?.map_or(self.len, |place| place.offset);
        if before == 0 || end == 0 {
            return Ok((None, 0));
        }
        // From the beginning of a line, so that no line is searched in part.
        let begin = end.saturating_sub(budget.max(1));
        let first = self.line_of(begin)?.min(before - 1);
        let mut from = self.search_from(first)?;
        let mut last = None;
        while from.mark.offset < end {
            let reached = self.search(needle, from, end - from.mark.offset, |line| {
                if line.number >= before {
                    return ControlFlow::Break(());
                }
                last = Some(line);
                ControlFlow::Continue(())
            })?;
            if reached.mark.offset <= from.mark.offset {
                break;
            }
            from = reached;
        }
        Ok((last, first))
    }
}
