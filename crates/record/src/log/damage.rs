//! What is wrong with the files of a log: they are compared with each other, with the journal, and with sums.

use std::fmt;
use std::ops::Range;

use super::LogReader;
use crate::RecordError;
use crate::disk::MOST_PIECE;
use crate::hole::Hole;
use crate::index::{Entry, EntryKind, Problem, Sum};

/// Stretches that are kept apart, found good or bad. Whoever reads on joins them.
const MOST: usize = 1024;

/// Something of a log that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogDamage {
    /// It was longer.
    Cut {
        /// Bytes that are missing at its end: all of them when the file is not there.
        missing: u64,
        /// Bytes that are there.
        len: u64,
    },
    /// Somebody appended to it. That is not shown.
    Longer {
        /// How many bytes.
        by: u64,
    },
    /// These bytes, or some of them, are not those that were written.
    Changed(Range<u64>),
    /// The index is not there, so nothing is known of streams and times.
    NoIndex,
    /// The index is not what was written. Streams and times are known as far as it is good.
    BadIndex,
}

impl fmt::Display for LogDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { missing, len: 0 } => write!(f, "all {missing} bytes of it are missing"),
            Self::Cut { missing, .. } => write!(f, "its last {missing} bytes are missing"),
            Self::Longer { by } => write!(f, "{by} bytes at its end are not of the worker and are not shown"),
            Self::Changed(Range { start, end }) => {
                write!(f, "bytes {start} to {end} are not those that were written")
            }
            Self::NoIndex => {
                write!(
                    f,
                    "its index is missing: streams and times are not known, and changes of it are not seen"
                )
            }
            Self::BadIndex => {
                write!(f, "its index is damaged: streams, times and changes are not known everywhere")
            }
        }
    }
}

/// What the journal says of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) len: u64,
    /// Its writer has closed it, if it could.
    pub(super) closed: bool,
}

/// What of a log was compared with its sums.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// In order, none touching the next.
    done: Vec<Range<u64>>,
    changed: Vec<Range<u64>>,
    block: Vec<u8>,
}

impl Checked {
    /// The first byte from `at` on that is not done.
    fn next(&self, at: u64) -> u64 {
        let after = self.done.partition_point(|range| range.start <= at);
        let before = after.checked_sub(1).and_then(|before| self.done.get(before));
        before.map_or(at, |range| range.end.max(at))
    }

    fn add(&mut self, mut range: Range<u64>) {
        if self.done.len() >= MOST {
            // They are compared again when they are read again.
            self.done.clear();
        }
        let from = self.done.partition_point(|known| known.end < range.start);
        let to = self.done.partition_point(|known| known.start <= range.end);
        if let Some(joined) = self.done.get(from..to).filter(|joined| !joined.is_empty()) {
            range.start = range.start.min(joined[0].start);
            range.end = range.end.max(joined[joined.len() - 1].end);
        }
        self.done.splice(from..to, [range]);
    }

    fn add_changed(&mut self, range: Range<u64>) {
        if let Some(last) = self.changed.last_mut().filter(|last| last.end == range.start) {
            last.end = range.end;
        } else if self.changed.len() < MOST && !self.changed.contains(&range) {
            self.changed.push(range);
        }
    }
}

impl LogReader {
    /// Says how long the log is by the journal, once its attempt has ended. `closed` is whether its writer lived to say the
    /// same in the index.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn expect(&mut self, len: u64, closed: bool) -> Result<(), RecordError> {
        // Some cores of others do not say it.
        self.expected = (len > 0).then_some(Expected { len, closed });
        self.refresh().map(drop)
    }

    /// What is found wrong with the log so far: lengths always, and each stretch of it since it was read first. In the order
    /// of the log.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn damage(&mut self) -> Result<Vec<LogDamage>, RecordError> {
        let mut found: Vec<_> = self.checked.changed.iter().cloned().map(LogDamage::Changed).collect();
        let is_over = self.index.end().is_some() || self.expected.is_some_and(|expected| expected.closed);
        let problem = self.index.problem(is_over)?;
        let end = self.index.end();
        let known = self.expected.map(|expected| expected.len).max(end.map(|end| end.offset));
        let there = self.file_len.max(end.and_then(|end| end.lost_from.map(|_| end.offset)).unwrap_or(0));
        if let Some(missing) = known.and_then(|known| known.checked_sub(there)).filter(|missing| *missing > 0)
        {
            found.push(LogDamage::Cut { missing, len: self.file_len });
        }
        if let Some(by) = known.and_then(|known| self.file_len.checked_sub(known)).filter(|by| *by > 0) {
            found.push(LogDamage::Longer { by });
        }
        match problem {
            None => {}
            // Without a byte there is nothing it could say.
            Some(_) if self.file_len == 0 => {}
            Some(Problem::Missing) => found.push(LogDamage::NoIndex),
            Some(Problem::Foreign | Problem::Damaged | Problem::Unfinished) => {
                found.push(LogDamage::BadIndex);
            }
        }
        Ok(found)
    }

    /// Compares what was not read yet with its sums, at most `budget` bytes, and says how many bytes of it are left.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn check(&mut self, budget: u64) -> Result<u64, RecordError> {
        let mut at = 0;
        let mut left = budget;
        loop {
            at = self.checked.next(at);
            if at >= self.len || left == 0 {
                return Ok(self.len.saturating_sub(at));
            }
            let to = (at + left.min(MOST_PIECE)).min(self.len);
            if self.is_packed() {
                // It has sums of its own.
                let mut block = std::mem::take(&mut self.checked.block);
                block.resize(usize::try_from(to - at).unwrap_or(0), 0);
                self.read_plain(&mut block, at)?;
                self.checked.block = block;
                self.checked.add(at..to);
            } else {
                self.compare(at..to, &[], at)?;
            }
            left -= to - at;
            at = to;
        }
    }

    /// Compares the stretches that have a part in `range` with their sums. `bytes` are those from `offset` on.
    pub(super) fn compare(
        &mut self,
        range: Range<u64>,
        bytes: &[u8],
        offset: u64,
    ) -> Result<(), RecordError> {
        let mut at = self.checked.next(range.start);
        if at >= range.end || self.is_packed() || !self.index.has_sums()? {
            return Ok(());
        }
        while at < range.end {
            let (Some(entry), Some(next)) = self.index.around(at)? else { return Ok(()) };
            if next.offset <= at || next.offset > self.file_len {
                return Ok(());
            }
            let stretch = entry.offset..next.offset;
            if !self.is_as_written(&entry, &next, bytes, offset)? {
                self.checked.add_changed(stretch.clone());
            }
            self.checked.add(stretch);
            at = self.checked.next(next.offset);
        }
        Ok(())
    }

    fn is_as_written(
        &mut self,
        entry: &Entry,
        next: &Entry,
        bytes: &[u8],
        offset: u64,
    ) -> Result<bool, RecordError> {
        let in_hole =
            |hole: Option<Hole>| hole.is_some_and(|hole| hole.from < next.offset && entry.offset < hole.to);
        if entry.kind == EntryKind::Lost || next.sum == Sum::NONE || in_hole(self.hole()) {
            return Ok(true);
        }
        let mut sum = crc32fast::Hasher::new();
        let within = || {
            let from = usize::try_from(entry.offset.checked_sub(offset)?).ok()?;
            bytes.get(from..from + usize::try_from(next.offset - entry.offset).ok()?)
        };
        match within() {
            Some(stretch) => sum.update(stretch),
            None => {
                let mut block = std::mem::take(&mut self.checked.block);
                let mut at = entry.offset;
                while at < next.offset {
                    let count = (next.offset - at).min(MOST_PIECE);
                    block.resize(usize::try_from(count).unwrap_or(0), 0);
                    self.read_plain(&mut block, at)?;
                    sum.update(&block);
                    at += count;
                }
                self.checked.block = block;
            }
        }
        // It may have been given up while it was read; that is said before it happens.
        Ok(Sum::of(sum) == next.sum || {
            self.hole.reload()?;
            in_hole(self.hole())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compared_is_joined() {
        let mut checked = Checked::default();
        checked.add(10..20);
        checked.add(30..40);
        assert_eq!((checked.next(5), checked.next(10), checked.next(20), checked.next(35)), (5, 20, 20, 40));
        checked.add(20..30);
        assert_eq!(checked.done.as_slice(), std::slice::from_ref(&(10..40)));
        checked.add(0..5);
        checked.add(3..50);
        assert_eq!(checked.done.as_slice(), std::slice::from_ref(&(0..50)));
        checked.add_changed(0..10);
        checked.add_changed(10..20);
        assert_eq!(checked.changed.as_slice(), std::slice::from_ref(&(0..20)));
    }
}
