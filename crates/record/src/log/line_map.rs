//! Where lines begin.

use memchr::memchr_iter;

use super::LogReader;
use crate::RecordError;
use crate::index::LONGEST_STRETCH;

/// A place in a log and the number of newlines before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) offset: u64,
    pub(super) line: u64,
}

/// Read and counted at a time: few calls of the system, and still in the cache when it is counted.
const BLOCK: u64 = 256 * 1024;

impl LogReader {
    /// How many lines there are, an incomplete last one included.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn line_count(&mut self) -> Result<u64, RecordError> {
        if self.len == 0 {
            return Ok(0);
        }
        let end = match self.end.filter(|end| end.offset == self.len) {
            Some(end) => end,
            None => self.count_to(self.len)?,
        };
        self.end = Some(end);
        let mut last = Vec::new();
        self.fill(&mut last, self.len - 1, 1)?;
        Ok(end.line + u64::from(last != b"\n"))
    }

    /// Number of the line that holds the byte at `offset`; behind the end, the line the next byte would be in.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn line_of(&mut self, offset: u64) -> Result<u64, RecordError> {
        Ok(self.count_to(offset.min(self.len))?.line)
    }

    /// Offset of the first byte of a line; `None` behind the last one. For a line that was given up it is
    /// the place where the log goes on.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn line_start(&mut self, number: u64) -> Result<Option<u64>, RecordError> {
        Ok(self.locate(number)?.map(|place| place.offset))
    }

    /// Where a line begins, or the next one that is there.
    pub(super) fn locate(&mut self, number: u64) -> Result<Option<Mark>, RecordError> {
        if number == 0 {
            return Ok((self.len > 0).then_some(Mark::default()));
        }
        // What is given up may have moved since.
        if number == self.read_to.line && self.hole().is_none() {
            return Ok(Some(self.read_to).filter(|place| place.offset < self.len));
        }
        let mut from = self.nearest(|mark| mark.line < number)?;
        let mut block = Vec::new();
        while from.offset < self.len {
            let next = self.step(&mut block, from, self.len)?;
            if next.line >= number && block.is_empty() {
                return Ok(Some(next).filter(|next| next.offset < self.len));
            }
            if next.line >= number {
                let nth = usize::try_from(number - from.line - 1).unwrap_or(usize::MAX);
                let start = memchr_iter(b'\n', &block).nth(nth).map(|at| from.offset + at as u64 + 1);
                let place = start.map(|offset| Mark { offset, line: number });
                return Ok(place.filter(|place| place.offset < self.len));
            }
            from = next;
        }
        Ok(None)
    }

    /// Offset of the first byte behind the line that goes on at `inside`, its newline included, and whether
    /// there is a newline. `line` is the number of that line.
    pub(super) fn line_end(&mut self, line: u64, inside: u64) -> Result<(u64, bool), RecordError> {
        // An index that lies must not lead backwards.
        if let Some(next) = self.line_start(line + 1)?.filter(|next| *next > inside) {
            return Ok((next, true));
        }
        let mut last = Vec::new();
        self.fill(&mut last, self.len - 1, 1)?;
        Ok((self.len, inside < self.len && last == b"\n"))
    }

    /// The newlines before `offset`.
    fn count_to(&mut self, offset: u64) -> Result<Mark, RecordError> {
        let mut from = self.nearest(|mark| mark.offset <= offset)?;
        let mut block = Vec::new();
        while from.offset < offset {
            from = self.step(&mut block, from, offset)?;
        }
        Ok(from)
    }

    /// Reads the next block behind `from`, up to `limit`, and remembers where it ends if that is far from
    /// everything known.
    fn step(&mut self, block: &mut Vec<u8>, from: Mark, limit: u64) -> Result<Mark, RecordError> {
        loop {
            if let Some(over) = self.over_the_hole(from, limit) {
                block.clear();
                return Ok(over);
            }
            let known = self.hole.hole();
            let stop = self.hole().map(|hole| hole.from).filter(|start| *start > from.offset);
            let limit = limit.min(stop.unwrap_or(limit));
            self.fill_all(block, from.offset, (limit - from.offset).min(BLOCK) as usize)?;
            if self.hole.is_still(known)? {
                break;
            }
            // Some of it may have been given up while it was read.
        }
        let next = Mark {
            offset: from.offset + block.len() as u64,
            line: from.line + memchr_iter(b'\n', block).count() as u64,
        };
        let place = self.marks.partition_point(|mark| mark.offset <= next.offset);
        let far = |mark: Option<&Mark>| {
            mark.is_none_or(|mark| mark.offset.abs_diff(next.offset) >= LONGEST_STRETCH)
        };
        let before = place.checked_sub(1).and_then(|before| self.marks.get(before));
        if next.offset >= LONGEST_STRETCH && far(before) && far(self.marks.get(place)) {
            self.marks.insert(place, next);
        }
        Ok(next)
    }

    /// Behind the hole, when `from` is in it.
    fn over_the_hole(&self, from: Mark, limit: u64) -> Option<Mark> {
        let hole = self.hole().filter(|hole| (hole.from..hole.to).contains(&from.offset))?;
        if limit < hole.to {
            // Nobody knows how many newlines were before a place within it.
            return Some(Mark { offset: limit, line: from.line });
        }
        Some(Mark { offset: hole.to, line: hole.line })
    }

    /// The last known place for which `holds` is true; `holds` must be true for a beginning of the log only.
    fn nearest(&mut self, holds: impl Fn(&Mark) -> bool) -> Result<Mark, RecordError> {
        let len = self.len;
        let indexed = self.index.last_where(|entry| {
            entry.offset <= len && holds(&Mark { offset: entry.offset, line: entry.line })
        })?;
        let indexed = indexed.map(|(_, entry)| Mark { offset: entry.offset, line: entry.line });
        let searched = self.marks.partition_point(|mark| holds(mark)).checked_sub(1).map(|at| self.marks[at]);
        let end = self.end.filter(|end| end.offset <= len && holds(end));
        Ok([indexed, searched, end].into_iter().flatten().max_by_key(|mark| mark.offset).unwrap_or_default())
    }
}
