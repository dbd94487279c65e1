//! Lines of a file that is read in parts.

use memchr::memchr;

/// Bytes of a line. The rest of a longer one is passed over.
pub const LONGEST_LINE: usize = 1024 * 1024;

/// A whole line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Position of its first byte in the file.
    pub at: u64,
    /// Its text without its end. Bytes that are not UTF-8 are U+FFFD.
    pub text: String,
    /// It is longer than [`LONGEST_LINE`], and this is its beginning.
    pub is_cut: bool,
}

/// Makes lines of bytes. Half a line waits for its end. Only LF ends a line.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    /// Position of the first byte that is no line yet.
    begin: u64,
    /// Bytes of the line since then, those passed over included.
    len: u64,
    partial: Vec<u8>,
}

impl Lines {
    /// Begins at a position at which a line begins.
    #[must_use]
    pub const fn at(begin: u64) -> Self {
        Self { begin, len: 0, partial: Vec::new() }
    }

    /// Position up to which all lines are complete.
    #[must_use]
    pub const fn complete(&self) -> u64 {
        self.begin
    }

    /// Position of the next byte.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.begin + self.len
    }

    /// Takes the bytes that follow.
    pub fn take(&mut self, mut bytes: &[u8], out: &mut Vec<Line>) {
        while let Some(end) = memchr(b'\n', bytes) {
            self.keep(&bytes[..end]);
            self.len += end as u64 + 1;
            out.extend(self.line());
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes);
        self.len += bytes.len() as u64;
    }

    /// What is there of a line that has no end, as there will be none; `None` when there is nothing.
    pub fn rest(&mut self) -> Option<Line> {
        if self.len == 0 { None } else { self.line() }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LONGEST_LINE.saturating_sub(self.partial.len());
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn line(&mut self) -> Option<Line> {
        let (at, len) = (self.begin, self.len);
        (self.begin, self.len) = (at + len, 0);
        let mut bytes = std::mem::take(&mut self.partial);
        let is_cut = len > bytes.len() as u64 + 1;
        bytes.pop_if(|last| *last == b'\r');
        let text = String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        (!text.trim().is_empty()).then_some(Line { at, text, is_cut })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(parts: &[&[u8]]) -> (Vec<(u64, String, bool)>, Lines) {
        let (mut lines, mut out) = (Lines::at(10), Vec::new());
        parts.iter().for_each(|part| lines.take(part, &mut out));
        (out.into_iter().map(|line| (line.at, line.text, line.is_cut)).collect(), lines)
    }

    #[test]
    fn half_a_line_waits_for_its_end() {
        let (out, mut lines) = texts(&[b"one\r\n\ntw", "o\u{2028}x\nÿ".as_bytes(), b"\xfe"]);
        assert_eq!(out, [(10, "one".into(), false), (16, "two\u{2028}x".into(), false)]);
        assert_eq!((lines.complete(), lines.end()), (24, 27));
        let rest = lines.rest().unwrap();
        assert_eq!((rest.at, rest.text.as_str()), (24, "ÿ\u{fffd}"));
        assert_eq!((lines.rest(), lines.complete()), (None, 27));
    }

    #[test]
    fn a_line_that_is_too_long_takes_no_more_memory() {
        let long = vec![b'x'; LONGEST_LINE];
        let (out, lines) = texts(&[&long, &long, b"\nnext\n"]);
        assert_eq!((out[0].1.len(), out[0].2, out[1].1.as_str()), (LONGEST_LINE, true, "next"));
        assert_eq!(lines.complete(), 10 + 2 * LONGEST_LINE as u64 + 6);
        let (out, _) = texts(&[&long, b"\n"]);
        assert!(!out[0].2);
    }

    proptest! {
        #[test]
        fn parts_do_not_matter(text in "[a\n\r]{0,40}", cut in 0..40_usize) {
            let bytes = text.as_bytes();
            let cut = cut.min(bytes.len());
            let (whole, lines) = texts(&[bytes]);
            let (parts, others) = texts(&[&bytes[..cut], &bytes[cut..]]);
            prop_assert_eq!(whole, parts);
            prop_assert_eq!(lines.complete(), others.complete());
        }
    }
}
