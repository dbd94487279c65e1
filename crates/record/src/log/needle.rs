//! What a log is searched for.

use std::ops::Range;

use memchr::{memchr, memmem, memrchr};
use regex::bytes::{Regex, RegexBuilder};
use roboppi_ipc::OutputStream;
use thiserror::Error;

/// What is looked for. Colours and other escape sequences in a log are no part of its text: they are passed
/// over, and what is on both sides of one is found as if it were not there.
#[derive(Clone, Debug)]
pub struct Needle {
    kind: Kind,
    /// Of which stream a line must be.
    stream: Option<OutputStream>,
}

#[derive(Clone, Debug)]
enum Kind {
    Everything,
    Text(Box<memmem::Finder<'static>>),
    /// A text whatever its case, which holds no newline.
    AnyCase(Regex),
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
        Self::of_any_stream(Kind::Everything)
    }

    const fn of_any_stream(kind: Kind) -> Self {
        Self { kind, stream: None }
    }

    /// Only lines of this stream. What is not known to be of the other one counts as well.
    #[must_use]
    pub fn of_stream(self, stream: Option<OutputStream>) -> Self {
        Self { stream, ..self }
    }

    /// Of which stream a line must be; `None` when it does not matter.
    pub(super) const fn stream(&self) -> Option<OutputStream> {
        self.stream
    }

    /// This text, as it is, up to the end of its first line.
    #[must_use]
    pub fn text(text: &str) -> Self {
        let text = text.split('\n').next().unwrap_or_default();
        Self::of_any_stream(Kind::Text(Box::new(memmem::Finder::new(text.as_bytes()).into_owned())))
    }

    /// This text whatever its case, as long as none of its letters is a capital.
    #[must_use]
    pub fn smart_case(text: &str) -> Self {
        let text = text.split('\n').next().unwrap_or_default();
        if text.chars().any(char::is_uppercase) || !text.chars().any(char::is_alphabetic) {
            return Self::text(text);
        }
        let pattern = RegexBuilder::new(&regex::escape(text)).case_insensitive(true).unicode(true).build();
        pattern.map_or_else(|_| Self::text(text), |pattern| Self::of_any_stream(Kind::AnyCase(pattern)))
    }

    /// A regular expression. It never matches more than a line.
    ///
    /// # Errors
    /// When it is no regular expression, or one that would take too much memory.
    pub fn pattern(pattern: &str) -> Result<Self, BadPattern> {
        let built = RegexBuilder::new(pattern).multi_line(true).build();
        built.map(|pattern| Self::of_any_stream(Kind::Pattern(pattern))).map_err(BadPattern)
    }

    /// The first match in a text of one line from the byte `from` on; `None` when there is none, and for a
    /// match of nothing.
    #[must_use]
    pub fn find_in(&self, line: &str, from: usize) -> Option<Range<usize>> {
        if from > line.len() {
            return None;
        }
        match &self.kind {
            Kind::Everything => None,
            Kind::Text(finder) => {
                let start = from + finder.find(line.as_bytes().get(from..)?)?;
                let range = start..start + finder.needle().len();
                (!range.is_empty()).then_some(range)
            }
            Kind::AnyCase(pattern) | Kind::Pattern(pattern) => {
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

    /// A place in the line of the first match in `bytes` from `from` on that is within one line.
    pub(super) fn find(&self, bytes: &[u8], from: usize) -> Option<usize> {
        match &self.kind {
            Kind::Everything => Some(from),
            Kind::Text(finder) => finder.find(&bytes[from..]).map(|at| from + at),
            // Where it begins need not be known, and would take a second search.
            Kind::AnyCase(pattern) => pattern.shortest_match_at(bytes, from).map(|end| end - 1),
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
