//! Which lines of a log match, without a list of them.

use std::ops::{ControlFlow, Range};

use roboppi_ipc::OutputStream;
use roboppi_record::{ChunkKind, FoundLine, Log, LogChunk, Needle, RecordError, SearchPosition};

/// Bytes searched before the log_service looks at what came in.
pub(super) const SLICE: u64 = 1024 * 1024;

/// Marks that are kept. When there are more, every other one is forgotten.
const MARKS: usize = 4096;

/// Lines taken at a time.
const BATCH: usize = 4096;

/// Finds the lines that match as the log grows, counts them, and remembers the place of some of them: the others
/// are found again from there. So it takes the same memory for any log.
#[derive(Debug)]
pub(super) struct Matches {
    test: Test,
    position: SearchPosition,
    /// Lines found.
    count: u64,
    /// The one found last.
    last: Option<u64>,
    /// Every `every`th line found, from the first.
    marks: Vec<u64>,
    every: u64,
    done: bool,
}

/// What a line must be.
#[derive(Debug)]
pub(super) struct Test {
    pub(super) needle: Needle,
    stream: Option<OutputStream>,
    /// Stretch that was looked at last.
    chunk: Option<LogChunk>,
}

impl Test {
    pub(super) const fn new(needle: Needle, stream: Option<OutputStream>) -> Self {
        Self { needle, stream, chunk: None }
    }

    /// Whether the line that begins at `offset`, which matches, is of the stream.
    pub(super) fn holds(&mut self, log: &mut dyn Log, offset: u64) -> Result<bool, RecordError> {
        let Some(stream) = self.stream else { return Ok(true) };
        let covers = |chunk: &LogChunk| (chunk.offset..chunk.offset + chunk.len).contains(&offset);
        if !self.chunk.as_ref().is_some_and(covers) {
            self.chunk = log.chunk_at(offset)?;
        }
        // What is not known to be of the other stream is shown.
        let other = |kind| matches!(kind, ChunkKind::Output(other) if other != stream);
        Ok(!self.chunk.is_some_and(|chunk| other(chunk.kind)))
    }
}

impl Matches {
    pub(super) fn new(needle: Needle, stream: Option<OutputStream>) -> Self {
        Self {
            test: Test::new(needle, stream),
            position: SearchPosition::default(),
            count: 0,
            last: None,
            marks: Vec::new(),
            every: 1,
            done: false,
        }
    }

    /// Lines found so far.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Whether all of the log was searched.
    pub(super) const fn is_done(&self) -> bool {
        self.done
    }

    /// Offset up to which the log was searched.
    pub(super) const fn searched(&self) -> u64 {
        self.position.offset()
    }

    /// There may be more of the log.
    pub(super) fn go_on(&mut self) {
        self.done = false;
        // The stretch at the end of the log grows.
        self.test.chunk = None;
    }

    /// Searches about `budget` bytes more.
    pub(super) fn advance(&mut self, log: &mut dyn Log, budget: u64) -> Result<(), RecordError> {
        let mut batch: Vec<FoundLine> = Vec::new();
        let reached = log.search(&self.test.needle, self.position, budget, &mut |line| {
            batch.push(line);
            if batch.len() < BATCH { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        for line in batch {
            // An incomplete last line is found again when it has grown.
            if self.last.is_none_or(|last| line.number > last) && self.test.holds(log, line.offset)? {
                self.add(line.number);
            }
        }
        self.done = reached == self.position || reached.offset() >= log.len();
        self.position = reached;
        Ok(())
    }

    fn add(&mut self, line: u64) {
        if self.count.is_multiple_of(self.every) {
            if self.marks.len() == MARKS {
                let mut odd = false;
                self.marks.retain(|_| {
                    odd = !odd;
                    odd
                });
                self.every *= 2;
            }
            if self.count.is_multiple_of(self.every) {
                self.marks.push(line);
            }
        }
        self.last = Some(line);
        self.count += 1;
    }

    /// How many of the lines found come before a line.
    pub(super) fn before(&mut self, log: &mut dyn Log, line: u64) -> Result<u64, RecordError> {
        let Some(mark) = self.marks.partition_point(|mark| *mark < line).checked_sub(1) else { return Ok(0) };
        let known = mark as u64 * self.every;
        if self.last.is_some_and(|last| last < line) {
            return Ok(self.count);
        }
        if self.every == 1 {
            return Ok(known + 1);
        }
        let mut before = 0;
        self.visit(log, self.marks[mark], |number| {
            if number >= line {
                return ControlFlow::Break(());
            }
            before += 1;
            ControlFlow::Continue(())
        })?;
        Ok(known + before)
    }

    /// The lines with these ordinals among those found, from 0.
    pub(super) fn lines(&mut self, log: &mut dyn Log, ordinals: Range<u64>) -> Result<Vec<u64>, RecordError> {
        let end = ordinals.end.min(self.count);
        let mut lines = Vec::new();
        let mark = ordinals.start / self.every;
        let Some(first) = usize::try_from(mark).ok().and_then(|mark| self.marks.get(mark)).copied() else {
            return Ok(lines);
        };
        if self.every == 1 {
            let slice = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(self.marks.len());
            return Ok(self.marks[slice(ordinals.start)..slice(end)].to_vec());
        }
        let mut ordinal = mark * self.every;
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
        &mut self,
        log: &mut dyn Log,
        from: u64,
        mut visit: impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(), RecordError> {
        let mut at = log.search_from(from)?;
        let mut next = from;
        while at.offset() < log.len() {
            let mut batch: Vec<FoundLine> = Vec::new();
            let reached = log.search(&self.test.needle, at, SLICE, &mut |line| {
                batch.push(line);
                if batch.len() < 64 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            for line in batch {
                if line.number < next || !self.test.holds(log, line.offset)? {
                    continue;
                }
                next = line.number + 1;
                if self.last.is_none_or(|last| line.number > last) || visit(line.number).is_break() {
                    return Ok(());
                }
            }
            if reached == at {
                return Ok(());
            }
            at = reached;
        }
        Ok(())
    }
}
