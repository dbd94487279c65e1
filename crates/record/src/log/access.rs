//! What can be read of the log of an attempt, wherever it is kept.

use std::fmt::Debug;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use roboppi_ipc::UtcMillis;

use super::{FoundLine, LogChunk, LogDamage, LogLine, LogPiece, LogReader, Needle, SearchPosition};
use crate::RecordError;

/// The log of one attempt: read by offset, by line, from the end, and searched.
///
/// Everything it answers is about the log as it was at the last [`refresh`](Self::refresh). Numbers of lines and offsets
/// count from 0. Every method that returns an error does so when the log cannot be read.
pub trait Log: Debug + Send {
    /// Updates the length of the log. Returns whether it has changed.
    ///
    /// # Errors
    /// See above. That nothing is written yet is no error.
    fn refresh(&mut self) -> Result<bool, RecordError>;

    /// Length of the log in bytes, lost ones included.
    fn len(&self) -> u64;

    /// Whether nothing is in it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where it is, to show to a person; `None` when it is in no place that a person could open.
    fn location(&self) -> Option<&Path>;

    /// Up to `max` bytes from `offset` on, or the gap that is there. Fewer bytes when the end or the next gap comes first.
    ///
    /// # Errors
    /// See above.
    fn read(&mut self, offset: u64, max: usize) -> Result<LogPiece, RecordError>;

    /// Where the part ends that is lost with the byte at `offset` when that byte cannot be read; `None` when nothing
    /// more is lost than what was asked for.
    fn part_end(&self, offset: u64) -> Option<u64>;

    /// The stretch that holds the byte at `offset`; `None` behind the end.
    ///
    /// # Errors
    /// See above.
    fn chunk_at(&mut self, offset: u64) -> Result<Option<LogChunk>, RecordError>;

    /// Changes how many bytes of a line are returned at most.
    fn set_line_cap(&mut self, bytes: usize);

    /// A line that was cut at the cap, as it is in the log, but for what it has beyond `longest` bytes: then it is still
    /// `truncated`. Any other line is given back as it is.
    ///
    /// # Errors
    /// See above.
    fn whole_line(&mut self, line: LogLine, longest: usize) -> Result<LogLine, RecordError>;

    /// The lines of a range of numbers, as far as they exist. The caller bounds the memory: at most the cap of a line for
    /// each.
    ///
    /// # Errors
    /// See above.
    fn lines(&mut self, numbers: Range<u64>) -> Result<Vec<LogLine>, RecordError>;

    /// The line of a number; `None` behind the last one.
    ///
    /// # Errors
    /// See above.
    fn line(&mut self, number: u64) -> Result<Option<LogLine>, RecordError> {
        Ok(self.lines(number..number.saturating_add(1))?.pop())
    }

    /// The last `count` lines, an incomplete one included.
    ///
    /// # Errors
    /// See above.
    fn tail(&mut self, count: u64) -> Result<Vec<LogLine>, RecordError> {
        let lines = self.line_count()?;
        self.lines(lines.saturating_sub(count)..lines)
    }

    /// How many lines there are, an incomplete last one included.
    ///
    /// # Errors
    /// See above.
    fn line_count(&mut self) -> Result<u64, RecordError>;

    /// Number of the line that holds the byte at `offset`; behind the end, the line the next byte would be in.
    ///
    /// # Errors
    /// See above.
    fn line_of(&mut self, offset: u64) -> Result<u64, RecordError>;

    /// Offset of the first byte of a line; `None` behind the last one. For a line that was given up it is the place where
    /// the log goes on.
    ///
    /// # Errors
    /// See above.
    fn line_start(&mut self, number: u64) -> Result<Option<u64>, RecordError>;

    /// Number of the line behind a line: the next number, except behind what was given up. `None` when the line is the last
    /// one or not there.
    ///
    /// # Errors
    /// See above.
    fn line_behind(&mut self, number: u64) -> Result<Option<u64>, RecordError>;

    /// Number of the line before a line: the number before, except behind what was given up. `None` before the first line.
    ///
    /// # Errors
    /// See above.
    fn line_before(&mut self, number: u64) -> Result<Option<u64>, RecordError>;

    /// The first line that came at `time` or later; `None` when all came before, or when no times are known.
    ///
    /// # Errors
    /// See above.
    fn line_at(&mut self, time: UtcMillis) -> Result<Option<u64>, RecordError>;

    /// The position of a search that begins with a line.
    ///
    /// # Errors
    /// See above.
    fn search_from(&mut self, line: u64) -> Result<SearchPosition, RecordError>;

    /// Gives every line with what is searched for to `found`, each once and in order, from `from` on, until `found` has
    /// enough, or about `budget` bytes were searched, or the log ends. An incomplete last line is searched, and is searched
    /// again when it has grown. Returns the position to go on at; at the end of the log, that of its last line.
    ///
    /// # Errors
    /// See above.
    fn search(
        &mut self,
        needle: &Needle,
        from: SearchPosition,
        budget: u64,
        found: &mut dyn FnMut(FoundLine) -> ControlFlow<()>,
    ) -> Result<SearchPosition, RecordError>;

    /// The last line before `before` with what is searched for, among about `budget` bytes before that line, and the number
    /// of the first line that was searched: the line to go on at when it is not 0 and nothing was found.
    ///
    /// # Errors
    /// See above.
    fn search_back(
        &mut self,
        needle: &Needle,
        before: u64,
        budget: u64,
    ) -> Result<(Option<FoundLine>, u64), RecordError>;

    /// Bytes that were given up to keep within a budget.
    fn given_up(&self) -> u64;

    /// Sets the length of the log by the journal, once its attempt has ended. `closed` is whether its writer lived to record
    /// the same beside the log.
    ///
    /// # Errors
    /// See above.
    fn expect(&mut self, len: u64, closed: bool) -> Result<(), RecordError>;

    /// Reads no further than `end` says at each refresh, as the log was at another time.
    ///
    /// # Errors
    /// See above.
    fn end_at(&mut self, end: Arc<AtomicU64>) -> Result<(), RecordError>;

    /// What is found damaged of the log so far: lengths always, and each stretch of it since it was read first. In the order
    /// of the log.
    ///
    /// # Errors
    /// See above.
    fn damage(&mut self) -> Result<Vec<LogDamage>, RecordError>;

    /// Compares what was not read yet with its checksums, at most `budget` bytes. Returns how many bytes of it are left.
    ///
    /// # Errors
    /// See above.
    fn check(&mut self, budget: u64) -> Result<u64, RecordError>;
}

impl Log for LogReader {
    fn refresh(&mut self) -> Result<bool, RecordError> {
        Self::refresh(self)
    }

    fn len(&self) -> u64 {
        Self::len(self)
    }

    fn location(&self) -> Option<&Path> {
        self.location()
    }

    fn read(&mut self, offset: u64, max: usize) -> Result<LogPiece, RecordError> {
        Self::read(self, offset, max)
    }

    fn part_end(&self, offset: u64) -> Option<u64> {
        Self::part_end(self, offset)
    }

    fn chunk_at(&mut self, offset: u64) -> Result<Option<LogChunk>, RecordError> {
        Self::chunk_at(self, offset)
    }

    fn set_line_cap(&mut self, bytes: usize) {
        Self::set_line_cap(self, bytes);
    }

    fn whole_line(&mut self, line: LogLine, longest: usize) -> Result<LogLine, RecordError> {
        Self::whole_line(self, line, longest)
    }

    fn lines(&mut self, numbers: Range<u64>) -> Result<Vec<LogLine>, RecordError> {
        Self::lines(self, numbers)
    }

    fn line_count(&mut self) -> Result<u64, RecordError> {
        Self::line_count(self)
    }

    fn line_of(&mut self, offset: u64) -> Result<u64, RecordError> {
        Self::line_of(self, offset)
    }

    fn line_start(&mut self, number: u64) -> Result<Option<u64>, RecordError> {
        Self::line_start(self, number)
    }

    fn line_behind(&mut self, number: u64) -> Result<Option<u64>, RecordError> {
        Self::line_behind(self, number)
    }

    fn line_before(&mut self, number: u64) -> Result<Option<u64>, RecordError> {
        Self::line_before(self, number)
    }

    fn line_at(&mut self, time: UtcMillis) -> Result<Option<u64>, RecordError> {
        Self::line_at(self, time)
    }

    fn search_from(&mut self, line: u64) -> Result<SearchPosition, RecordError> {
        Self::search_from(self, line)
    }

    fn search(
        &mut self,
        needle: &Needle,
        from: SearchPosition,
        budget: u64,
        found: &mut dyn FnMut(FoundLine) -> ControlFlow<()>,
    ) -> Result<SearchPosition, RecordError> {
        Self::search(self, needle, from, budget, found)
    }

    fn search_back(
        &mut self,
        needle: &Needle,
        before: u64,
        budget: u64,
    ) -> Result<(Option<FoundLine>, u64), RecordError> {
        Self::search_back(self, needle, before, budget)
    }

    fn given_up(&self) -> u64 {
        Self::given_up(self)
    }

    fn expect(&mut self, len: u64, closed: bool) -> Result<(), RecordError> {
        Self::expect(self, len, closed)
    }

    fn end_at(&mut self, end: Arc<AtomicU64>) -> Result<(), RecordError> {
        Self::end_at(self, end)
    }

    fn damage(&mut self) -> Result<Vec<LogDamage>, RecordError> {
        Self::damage(self)
    }

    fn check(&mut self, budget: u64) -> Result<u64, RecordError> {
        Self::check(self, budget)
    }
}
