//! Which lines of a log match, without a list of them.

use std::ops::{ControlFlow, Range};

use roboppi_record::{FoundLine, Log, Needle, RecordError, SearchPosition};

/// Bytes searched before the log_service looks at what came in.
pub(super) const SLICE: u64 = 1024 * 1024;

/// Marks that are kept. When there are more, every other one is forgotten.
const MARKS: usize = 4096;

/// Finds the lines that match as the log grows, counts them, and remembers the place of some of them: the others
/// are found again from there. So it takes the same memory for any log.
#[derive(Debug)]
pub(super) struct Matches {
    needle: Needle,
    position: SearchPosition,
    found: Marks,
    done: bool,
}

/// What is remembered of the lines found.
#[derive(Debug)]
struct Marks {
    count: u64,
    /// The one found last.
    last: Option<u64>,
    /// Every `every`th line found, from the first. A power of two.
    marks: Vec<u64>,
    every: u64,
}

impl Matches {
    pub(super) const fn new(needle: Needle) -> Self {
        let found = Marks { count: 0, last: None, marks: Vec::new(), every: 1 };
        Self { needle, position: SearchPosition::new(0, 0), found, done: false }
    }

    /// Lines found so far.
    pub(super) const fn count(&self) -> u64 {
        self.found.count
    }

    /// Whether all of the log was searched.
    pub(super) const fn is_done(&self) -> bool {
        self.done
    }

    /// Where the search goes on.
    pub(super) const fn position(&self) -> SearchPosition {
        self.position
    }

    /// Offset up to which the log was searched.
    pub(super) const fn searched(&self) -> u64 {
        self.position.offset()
    }

    /// There may be more of the log.
    pub(super) const fn go_on(&mut self) {
        self.done = false;
    }

    /// Searches about `budget` bytes more.
    pub(super) fn advance(&mut self, log: &mut dyn Log, budget: u64) -> Result<(), RecordError> {
        let Self { needle, found, .. } = self;
        let reached = log.search(needle, self.position, budget, &mut |line| {
            found.add(line.number);
            ControlFlow::Continue(())
        })?;
        self.done = reached == self.position || reached.offset() >= log.len();
        self.position = reached;
        Ok(())
    }

    /// How many of the lines found come before a line.
    pub(super) fn before(&self, log: &mut dyn Log, line: u64) -> Result<u64, RecordError> {
        let Some(mark) = self.found.marks.partition_point(|mark| *mark < line).checked_sub(1) else {
            return Ok(0);
        };
        let known = mark as u64 * self.found.every;
        if self.found.last.is_some_and(|last| last < line) {
            return Ok(self.found.count);
        }
        if self.found.every == 1 {
            return Ok(known + 1);
        }
        let mut before = 0;
        self.visit(log, self.found.marks[mark], |number| {
            if number >= line {
                return ControlFlow::Break(());
            }
            before += 1;
            ControlFlow::Continue(())
        })?;
        Ok(known + before)
    }

    /// The lines with these ordinals among those found, from 0.
    pub(super) fn lines(&self, log: &mut dyn Log, ordinals: Range<u64>) -> Result<Vec<u64>, RecordError> {
        let end = ordinals.end.min(self.found.count);
        let mut lines = Vec::new();
        let mark = ordinals.start / self.found.every;
        let Some(first) = usize::try_from(mark).ok().and_then(|mark| self.found.marks.get(mark)).copied()
        else {
            return Ok(lines);
        };
        if self.found.every == 1 {
            let slice = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(self.found.marks.len());
            return Ok(self.found.marks[slice(ordinals.start)..slice(end)].to_vec());
        }
        let mut ordinal = mark * self.found.every;
        self.visit(log, first, |number| {
            if ordinal >= end {
                return ControlFlow::Break(());
            }
            if ordinal >= ordinals.start {
                lines.push(number);
            }
            ordinal += 1;
            if ordinal >= end { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(lines)
    }

    /// Goes over the lines found again, from one of them on.
    fn visit(
        &self,
        log: &mut dyn Log,
        from: u64,
        mut visit: impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(), RecordError> {
        let mut at = log.search_from(from)?;
        let mut next = from;
        let mut has_enough = false;
        while at.offset() < log.len() && !has_enough {
            let reached = log.search(&self.needle, at, SLICE, &mut |line: FoundLine| {
                // An incomplete last line is found again.
                if line.number >= next {
                    next = line.number + 1;
                    has_enough = self.found.last.is_none_or(|last| line.number > last)
                        || visit(line.number).is_break();
                }
                if has_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            if reached == at {
                break;
            }
            at = reached;
        }
        Ok(())
    }
}

impl Marks {
    fn add(&mut self, line: u64) {
        // An incomplete last line is found again when it has grown.
        if self.last.is_some_and(|last| line <= last) {
            return;
        }
        if self.is_marked() {
            if self.marks.len() == MARKS {
                let mut odd = false;
                self.marks.retain(|_| {
                    odd = !odd;
                    odd
                });
                self.every *= 2;
            }
            if self.is_marked() {
                self.marks.push(line);
            }
        }
        self.last = Some(line);
        self.count += 1;
    }
    /// Whether the next line found is to be remembered. A division would take longer than the rest of what a line takes.
    const fn is_marked(&self) -> bool {
        self.count & (self.every - 1) == 0
    }
}
