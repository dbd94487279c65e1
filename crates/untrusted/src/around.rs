//! Bytes for a terminal around text that must not change otherwise.

use crate::grammar::{Escape, INTRODUCER, StringEnds, control, escape};

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Finds bytes for a terminal at the beginning of what is left of a text: escape sequences, control characters and marks of an
/// encoding. One finder reads one text, front to back, in time that grows with the length of the text alone.
#[derive(Clone, Debug)]
pub struct TerminalBytes(StringEnds);

impl Default for TerminalBytes {
    fn default() -> Self {
        Self::new()
    }
}

impl TerminalBytes {
    /// A finder at the beginning of a text.
    #[must_use]
    pub const fn new() -> Self {
        Self(StringEnds::new())
    }

    /// Whether there may be any in a text.
    #[must_use]
    pub fn may_be_in(text: &str) -> bool {
        text.starts_with(BYTE_ORDER_MARK) || text.bytes().any(|byte| byte < b' ' && byte != b'\t')
    }

    /// Bytes of all of them that stand at the beginning of `rest`, which reaches to the end of the text. Of a string without
    /// an end only the introducer counts.
    pub fn leading(&mut self, rest: &str) -> usize {
        let mut at = 0;
        loop {
            match self.first(&rest[at..]) {
                0 => return at,
                len => at += len,
            }
        }
    }

    fn first(&mut self, rest: &str) -> usize {
        match rest.as_bytes() {
            [b'\x1b', behind @ ..] => 1 + self.sequence(behind),
            [0..=0x1f | 0x7f, ..] => 1,
            _ if rest.starts_with(BYTE_ORDER_MARK) => BYTE_ORDER_MARK.len(),
            _ => 0,
        }
    }

    /// Length of a sequence behind its ESC.
    fn sequence(&mut self, behind: &[u8]) -> usize {
        match escape(behind) {
            Escape::Control => INTRODUCER + control(&behind[INTRODUCER..]).len(),
            Escape::String => INTRODUCER + self.0.find(&behind[INTRODUCER..]).unwrap_or(0),
            Escape::Other(len) => len,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_for_a_terminal_are_found_at_the_beginning() {
        for (text, rest) in [
            ("{}", "{}"),
            ("\u{feff}{}", "{}"),
            ("\x1b[?2004h\x1b[0m{}", "{}"),
            ("\x1b]0;a {\"title\"}\x07{}", "{}"),
            ("\x1b]8;;http://x\x1b\\{}", "{}"),
            ("\x1b(B\x1b=\r{}", "{}"),
            ("\x1b]0;never ends", "0;never ends"),
            ("\x1b[", ""),
            ("\x1b", ""),
            ("ä", "ä"),
        ] {
            assert_eq!(&text[TerminalBytes::new().leading(text)..], rest, "{text:?}");
        }
    }

    #[test]
    fn strings_without_an_end_take_no_longer_than_others() {
        // Each would be searched to the end of the text.
        let text = "\x1b]a".repeat(300_000);
        let mut bytes = TerminalBytes::new();
        let mut at = 0;
        while at < text.len() {
            at += bytes.leading(&text[at..]) + 1;
        }
        assert_eq!(at, text.len());
    }

    proptest! {
        #[test]
        fn what_is_left_begins_with_a_whole_character(text in "[\x1b\\[\\]P(0;mä\x07\\\\\u{feff}{ ]{0,40}") {
            let at = TerminalBytes::new().leading(&text);
            prop_assert!(text.is_char_boundary(at), "{text:?} at {at}");
        }
    }
}
