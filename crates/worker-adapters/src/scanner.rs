//! Finds the lines a session wants in a stream that may be very fast.

use memchr::{memchr, memmem, memrchr};
use roboppi_ipc::{Frame, LineFramer};

use crate::LineFilter;

/// Longest line a session is given: 10 MiB. Agents print answers of some megabytes in one line.
pub const LINE_LIMIT: usize = 10 * 1024 * 1024;

/// Cuts a stream into the lines a filter lets through.
#[derive(Debug)]
pub(crate) enum Scanner {
    None,
    All(LineFramer),
    Prefix(Box<PrefixScanner>),
}

impl Scanner {
    pub(crate) fn new(filter: &LineFilter) -> Self {
        match filter {
            LineFilter::None => Self::None,
            LineFilter::All => Self::All(LineFramer::new(LINE_LIMIT)),
            LineFilter::StartingWith(prefix) if prefix.is_empty() => Self::All(LineFramer::new(LINE_LIMIT)),
            LineFilter::StartingWith(prefix) => Self::Prefix(Box::new(PrefixScanner::new(prefix))),
        }
    }

    /// Whether it looks for lines at all.
    pub(crate) const fn takes_lines(&self) -> bool {
        !matches!(self, Self::None)
    }

    pub(crate) fn push(&mut self, bytes: &[u8], sink: impl FnMut(Frame<'_>)) {
        match self {
            Self::None => {}
            Self::All(framer) => framer.push(bytes, sink),
            Self::Prefix(scanner) => scanner.push(bytes, sink),
        }
    }

    /// The last line, when the stream ended without a newline.
    pub(crate) fn finish(&mut self) -> Option<Vec<u8>> {
        let last = match self {
            Self::None => return None,
            Self::All(framer) => framer.incomplete(),
            Self::Prefix(scanner) => scanner.incomplete(),
        };
        (!last.is_empty()).then(|| last.to_vec())
    }
}

/// Looks for a newline followed by the prefix in one search, instead of at every line: the cost does not
/// depend on how short the lines are.
#[derive(Debug)]
pub(crate) struct PrefixScanner {
    /// A newline and the prefix.
    needle: Vec<u8>,
    finder: memmem::Finder<'static>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// In a line that does not begin with the prefix.
    Skipping,
    /// In a line that does so far: it is a part of the prefix, or the prefix and what follows.
    Keeping(Vec<u8>),
}

impl PrefixScanner {
    fn new(prefix: &str) -> Self {
        let needle = format!("\n{prefix}").into_bytes();
        let finder = memmem::Finder::new(&needle).into_owned();
        Self { needle, finder, state: State::Keeping(Vec::new()) }
    }

    fn prefix(&self) -> &[u8] {
        &self.needle[1..]
    }

    fn push(&mut self, mut bytes: &[u8], mut sink: impl FnMut(Frame<'_>)) {
        while !bytes.is_empty() {
            bytes = match &mut self.state {
                State::Skipping => self.skip(bytes),
                State::Keeping(_) => self.keep(bytes, &mut sink),
            };
        }
    }

    fn skip<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if let Some(found) = self.finder.find(bytes) {
            self.state = State::Keeping(Vec::new());
            return &bytes[found + 1..];
        }
        // The last line may begin with the part of the prefix that has come.
        if let Some(newline) = memrchr(b'\n', bytes) {
            let line = &bytes[newline + 1..];
            if self.prefix().starts_with(line) {
                self.state = State::Keeping(line.to_vec());
            }
        }
        &[]
    }

    fn keep<'a>(&mut self, bytes: &'a [u8], sink: &mut impl FnMut(Frame<'_>)) -> &'a [u8] {
        let State::Keeping(line) = &mut self.state else { return bytes };
        let prefix = &self.needle[1..];
        if line.len() < prefix.len() {
            let wanted = &prefix[line.len()..];
            let same = wanted.iter().zip(bytes).take_while(|(a, b)| a == b).count();
            line.extend_from_slice(&bytes[..same]);
            if same < wanted.len() && same < bytes.len() {
                // Some other line. If it has ended already, a new one begins.
                if bytes[same] == b'\n' {
                    line.clear();
                    return &bytes[same + 1..];
                }
                self.state = State::Skipping;
            }
            return &bytes[same..];
        }
        let end = memchr(b'\n', bytes);
        line.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
        if line.len() > LINE_LIMIT {
            sink(Frame::TooLong { limit: LINE_LIMIT });
            self.state = if end.is_some() { State::Keeping(Vec::new()) } else { State::Skipping };
        } else if end.is_some() {
            sink(Frame::Line(line));
            line.clear();
        }
        end.map_or(&[], |end| &bytes[end + 1..])
    }

    fn incomplete(&self) -> &[u8] {
        match &self.state {
            State::Keeping(line) if line.len() >= self.needle.len() - 1 => line,
            State::Keeping(_) | State::Skipping => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(filter: &LineFilter, chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut scanner = Scanner::new(filter);
        let mut lines = Vec::new();
        for chunk in chunks {
            scanner.push(chunk, |frame| {
                if let Frame::Line(line) = frame {
                    lines.push(line.to_vec());
                }
            });
        }
        lines.extend(scanner.finish());
        lines
    }

    #[test]
    fn only_lines_that_begin_with_the_prefix_are_found() {
        let text: &[u8] = b"::p first\nno ::p\n::\n:\n\n::p\nx\n::p last";
        let lines = found(&LineFilter::starting_with("::p"), &[text]);
        assert_eq!(lines, [b"::p first".as_slice(), b"::p", b"::p last"]);
    }

    proptest! {
        #[test]
        fn the_search_finds_what_looking_at_every_line_finds(
            bytes in proptest::collection::vec(prop_oneof![Just(b':'), Just(b'p'), Just(b'\n'), Just(b'x')], 0..300),
            cuts in proptest::collection::vec(0_usize..300, 0..12),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            let every = found(&LineFilter::All, &[&bytes]);
            let expected: Vec<Vec<u8>> = every.into_iter().filter(|line| line.starts_with(b"::p")).collect();
            prop_assert_eq!(found(&LineFilter::starting_with("::p"), &chunks), expected);
        }
    }
}
