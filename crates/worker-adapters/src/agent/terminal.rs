//! Bytes for a terminal around the lines of a program: marks of an encoding, titles, colours, modes.
//!
//! A program that prints one JSON object a line may run beside others that write to the same terminal, or be wrapped by one.
//! What stands in a text of an object is escaped there and is no such byte.

use std::borrow::Cow;

const ESCAPE: u8 = 0x1b;
const BELL: u8 = 0x07;
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Whether there may be any in a line.
pub(super) fn may_have_any(line: &str) -> bool {
    line.starts_with(BYTE_ORDER_MARK) || line.bytes().any(|byte| byte < b' ' && byte != b'\t')
}

/// Length of what begins `text` and is for a terminal; 0 when nothing is.
pub(super) fn length(text: &str) -> usize {
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        match sequence(rest) {
            0 => break,
            length => at += length,
        }
    }
    at
}

fn sequence(text: &str) -> usize {
    let bytes = text.as_bytes();
    match bytes {
        [ESCAPE, b'[', rest @ ..] => {
            let end = rest.iter().position(|byte| (0x40..=0x7e).contains(byte));
            end.map_or(2, |end| end + 3)
        }
        // A title, a link, a notification: up to a bell or a string terminator.
        [ESCAPE, b']' | b'P' | b'^' | b'_' | b'X', rest @ ..] => string(rest).map_or(2, |length| length + 2),
        [ESCAPE, b'(' | b')' | b'*' | b'+' | b'#' | b'%' | b' ', 0x20..=0x7e, ..] => 3,
        [ESCAPE, 0x20..=0x7e, ..] => 2,
        [0..=0x1f | 0x7f, ..] => 1,
        _ if text.starts_with(BYTE_ORDER_MARK) => BYTE_ORDER_MARK.len(),
        _ => 0,
    }
}

/// Length of a string for the terminal with its end. One without an end is cut off.
fn string(bytes: &[u8]) -> Option<usize> {
    let end = bytes.iter().position(|byte| matches!(*byte, BELL | ESCAPE))?;
    match bytes.get(end..) {
        Some([BELL, ..]) => Some(end + 1),
        Some([ESCAPE, b'\\', ..]) => Some(end + 2),
        _ => Some(end),
    }
}

/// A text without them.
pub(super) fn without(text: &str) -> Cow<'_, str> {
    if !may_have_any(text) {
        return Cow::Borrowed(text);
    }
    let (mut plain, mut at) = (String::with_capacity(text.len()), 0);
    while at < text.len() {
        at += length(&text[at..]);
        if let Some(char) = text[at..].chars().next() {
            plain.push(char);
            at += char.len_utf8();
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_a_terminal_is_found_at_the_beginning() {
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
            assert_eq!(&text[length(text)..], rest, "{text:?}");
        }
        assert_eq!(without("\x1b[91m\x1b[1mError: \x1b[0mno ä"), "Error: no ä");
    }
}
