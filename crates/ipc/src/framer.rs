//! Bytes become lines.

use memchr::memchr;

/// Longest line of the wire: 10 MiB.
pub const DEFAULT_LINE_LIMIT: usize = 10 * 1024 * 1024;

/// Buffer kept between lines; a longer one is given back after the line that needed it.
const KEPT_CAPACITY: usize = 64 * 1024;

/// What the framer found.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A line, without its newline.
    Line(&'a [u8]),
    /// A line longer than the limit. Its bytes are dropped up to the next newline, so that its tail is
    /// never taken for a line.
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
}

/// Cuts a stream of bytes at newlines. Any way of chunking the same bytes gives the same frames.
///
/// Memory is bounded by the limit plus one chunk. A healthy stream stays readable after any bad line.
#[derive(Debug)]
pub struct LineFramer {
    buffer: Vec<u8>,
    limit: usize,
    discarding: bool,
}

impl LineFramer {
    /// A framer for lines of up to `limit` bytes.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), limit, discarding: false }
    }

    /// Takes the next bytes of the stream and hands every finished frame to `sink`.
    pub fn push(&mut self, mut chunk: &[u8], mut sink: impl FnMut(Frame<'_>)) {
        while let Some(end) = memchr(b'\n', chunk) {
            let (head, rest) = (&chunk[..end], &chunk[end + 1..]);
            if self.discarding {
                self.discarding = false;
            } else if self.buffer.len() + head.len() > self.limit {
                sink(Frame::TooLong { limit: self.limit });
            } else if self.buffer.is_empty() {
                sink(Frame::Line(head));
            } else {
                self.buffer.extend_from_slice(head);
                sink(Frame::Line(&self.buffer));
            }
            self.reset();
            chunk = rest;
        }
        if self.discarding {
            return;
        }
        if self.buffer.len() + chunk.len() > self.limit {
            self.discarding = true;
            self.reset();
            sink(Frame::TooLong { limit: self.limit });
        } else {
            self.buffer.extend_from_slice(chunk);
        }
    }

    /// The bytes after the last newline: an incomplete line at the end of the stream.
    #[must_use]
    pub fn incomplete(&self) -> &[u8] {
        &self.buffer
    }

    fn reset(&mut self) {
        self.buffer.clear();
        self.buffer.shrink_to(KEPT_CAPACITY);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(limit: usize, chunks: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
        let mut framer = LineFramer::new(limit);
        let mut found = Vec::new();
        for chunk in chunks {
            framer.push(chunk, |frame| match frame {
                Frame::Line(line) => found.push(Some(line.to_vec())),
                Frame::TooLong { .. } => found.push(None),
            });
        }
        found
    }

    #[test]
    fn the_tail_of_a_long_line_is_never_a_line() {
        let found = frames(4, &[b"ok\n12345", b"67\n8\nfits\ntoolong\nend\n"]);
        let expected: Vec<Option<&[u8]>> =
            vec![Some(b"ok"), None, Some(b"8"), Some(b"fits"), None, Some(b"end")];
        assert_eq!(found, expected.into_iter().map(|f| f.map(<[u8]>::to_vec)).collect::<Vec<_>>());
    }

    #[test]
    fn an_unfinished_line_is_kept_apart() {
        let mut framer = LineFramer::new(100);
        framer.push(b"a\nhalf", |_| {});
        assert_eq!(framer.incomplete(), b"half");
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_frames(
            bytes in proptest::collection::vec(prop_oneof![3 => any::<u8>(), 1 => Just(b'\n')], 0..400),
            cuts in proptest::collection::vec(0_usize..400, 0..12),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(frames(16, &chunks), frames(16, &[&bytes]));
        }
    }
}
