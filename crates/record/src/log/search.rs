//! Finds text in a whole log without loading it.

use std::borrow::Cow;
use std::ops::{ControlFlow, Range};

use memchr::{memchr, memchr_iter, memmem, memrchr};
use regex::bytes::{Regex, RegexBuilder};
use roboppi_untrusted::without_escapes;
use thiserror::Error;

use super::{LogReader, Mark};
use crate::RecordError;

/// Bytes read at a time. A line longer than this is searched in pieces.
const BLOCK: u64 = 1024 * 1024;
/// Pieces of one line overlap by so many bytes, so that what lies on their border is found.
const OVERLAP: u64 = 4 * 1024;

/// What is looked for. Colours and other escape sequences in a log are no part of its text: they are passed
/// over, and what is on both sides of one is found as if it were not there.
#[derive(Clone, Debug)]
pub struct Needle(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Everything,
    Text(Box<memmem::Finder<'static>>),
    Pattern(Regex),
}

/// What is wrong with a regular expression.
#[derive(Clone, Debug, Error)]
#[error(transparent)]
pub struct BadPattern(regex::Error);

impl Needle {
    /// Every line.
    #[must_use]
    pub const fn everything() -> Self {
        Self(Kind::Everything)
    }

    /// This text, as it is, up to the end of its first line.
    #[must_use]
    pub fn text(text: &str) -> Self {
        let text = text.split('\n').next().unwrap_or_default();
        Self(Kind::Text(Box::new(memmem::Finder::new(text.as_bytes()).into_owned())))
    }

    /// This text whatever its case, as long as none of its letters is a capital.
    #[must_use]
    pub fn smart_case(text: &str) -> Self {
        if text.chars().any(char::is_uppercase) || !text.chars().any(char::is_alphabetic) {
            return Self::text(text);
        }
        let pattern = RegexBuilder::new(&regex::escape(text)).case_insensitive(true).unicode(true).build();
        pattern.map_or_else(|_| Self::text(text), |pattern| Self(Kind::Pattern(pattern)))
    }

    /// A regular expression. It never matches more than a line.
    ///
    /// # Errors
    /// When it is no regular expression, or one that would take too much memory.
    pub fn pattern(pattern: &str) -> Result<Self, BadPattern> {
        let built = RegexBuilder::new(pattern).multi_line(true).build();
        built.map(|pattern| Self(Kind::Pattern(pattern))).map_err(BadPattern)
    }

    /// The first match in a text of one line from the byte `from` on; `None` when there is none, and for a
    /// match of nothing.
    #[must_use]
    pub fn find_in(&self, line: &str, from: usize) -> Option<Range<usize>> {
        if from > line.len() {
            return None;
        }
        match &self.0 {
            Kind::Everything => None,
            Kind::Text(finder) => {
                let start = from + finder.find(line.as_bytes().get(from..)?)?;
                let range = start..start + finder.needle().len();
                (!range.is_empty()).then_some(range)
            }
            Kind::Pattern(pattern) => {
                let mut from = from;
                loop {
                    let found = pattern.find_at(line.as_bytes(), from)?;
                    if !found.is_empty() {
                        // A pattern may be told to match bytes that are part of a character.
                        let (start, end) = (found.start(), found.end());
                        return Some(line.floor_char_boundary(start)..line.ceil_char_boundary(end));
                    }
                    from = found.end() + 1;
                    if from > line.len() {
                        return None;
                    }
                }
            }
        }
    }

    /// The first match in `bytes` from `from` on that is within one line.
    fn find(&self, bytes: &[u8], from: usize) -> Option<usize> {
        match &self.0 {
            Kind::Everything => Some(from),
            Kind::Text(finder) => finder.find(&bytes[from..]).map(|at| from + at),
            Kind::Pattern(pattern) => {
                let mut from = from;
                loop {
                    let found = pattern.find_at(bytes, from)?;
                    match memchr(b'\n', found.as_bytes()) {
                        None => return Some(found.start()),
                        // It went over the end of its line. Each line is looked at on its own then.
                        Some(newline) => {
                            let end = found.start() + newline;
                            let start = memrchr(b'\n', &bytes[..found.start()]).map_or(0, |at| at + 1);
                            if pattern.is_match(&bytes[start.max(from)..end]) {
                                return Some(found.start());
                            }
                            from = end + 1;
                        }
                    }
                }
            }
        }
    }
}

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
        let mut at = from.mark;
        let stop = at.offset.saturating_add(budget);
        let mut block = Vec::new();
        // A line that goes on in the next block, and was found already.
        let mut known = None;
        while at.offset < self.len && at.offset < stop {
            let hole = self.hole();
            if let Some(hole) = hole.filter(|hole| (hole.from..hole.to).contains(&at.offset)) {
                at = Mark { offset: hole.to.min(self.len), line: hole.line };
                continue;
            }
            let end = hole.map(|hole| hole.from).filter(|from| *from > at.offset).unwrap_or(self.len);
            let count = usize::try_from((end - at.offset).min(BLOCK)).unwrap_or_default();
            self.fill_all(&mut block, at.offset, count)?;
            if self.hole.reload()? {
                // Some of it may have been given up while it was read.
                continue;
            }
            let is_last = at.offset + block.len() as u64 == end;
            let whole = memrchr(b'\n', &block).map_or(0, |newline| newline + 1);
            let searched = if is_last || whole == 0 { block.len() } else { whole };
            let visible = without_escapes(&block[..searched]);
            let mut lines = Lines::new(&visible, &block[..searched], at.line);
            let mut next = 0;
            while next < visible.len()
                && let Some(hit) = needle.find(&visible, next)
            {
                if hit == visible.len() && visible.ends_with(b"\n") {
                    // A pattern that matches nothing at all matches there too.
                    break;
                }
                let (start, behind) = lines.around(hit);
                next = lines.next;
                let line = FoundLine { number: lines.line, offset: at.offset + start as u64 };
                if known.replace(line.number) == Some(line.number) {
                    continue;
                }
                if found(line).is_break() {
                    let mark = Mark { offset: at.offset + behind as u64, line: line.number + 1 };
                    return Ok(SearchPosition { mark });
                }
            }
            lines.count_all();
            let reached = Mark { offset: at.offset + searched as u64, line: lines.line };
            if reached.offset == self.len && whole < searched {
                // The last line may go on.
                return Ok(SearchPosition {
                    mark: Mark { offset: at.offset + whole as u64, line: reached.line },
                });
            }
            let is_piece = whole == 0 && !is_last;
            // What lies on the border of two pieces of a line belongs to the second one too.
            at = if is_piece { Mark { offset: reached.offset - OVERLAP, ..reached } } else { reached };
        }
        Ok(SearchPosition { mark: at })
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

/// Counts newlines no further than it must, in a text and in the bytes it was made from.
struct Lines<'a> {
    visible: &'a [u8],
    raw: &'a [u8],
    /// Bytes of `visible` and of `raw` that were counted.
    counted: usize,
    raw_counted: usize,
    /// Number of the line at `counted`.
    line: u64,
    /// Where the next line begins in `visible`.
    next: usize,
}

impl<'a> Lines<'a> {
    fn new(visible: &'a Cow<'a, [u8]>, raw: &'a [u8], line: u64) -> Self {
        Self { visible, raw, counted: 0, raw_counted: 0, line, next: 0 }
    }

    /// Where, in the bytes the text was made from, the line of a byte of the text begins, and where the next one
    /// does. It is the one that was counted to then.
    fn around(&mut self, at: usize) -> (usize, usize) {
        let start = memrchr(b'\n', &self.visible[..at]).map_or(0, |newline| newline + 1);
        self.next = memchr(b'\n', &self.visible[at..]).map_or(self.visible.len(), |newline| at + newline + 1);
        self.count_to(start);
        let behind = memchr(b'\n', &self.raw[self.raw_counted..])
            .map_or(self.raw.len(), |newline| self.raw_counted + newline + 1);
        (self.raw_counted, behind)
    }

    fn count_to(&mut self, place: usize) {
        let newlines = memchr_iter(b'\n', &self.visible[self.counted..place]).count();
        self.counted = place;
        if newlines == 0 {
            return;
        }
        self.line += newlines as u64;
        if self.visible.len() == self.raw.len() {
            self.raw_counted = place;
        } else if let Some(last) = memchr_iter(b'\n', &self.raw[self.raw_counted..]).nth(newlines - 1) {
            self.raw_counted += last + 1;
        }
    }

    fn count_all(&mut self) {
        self.line += memchr_iter(b'\n', &self.visible[self.counted..]).count() as u64;
        self.counted = self.visible.len();
    }
}
