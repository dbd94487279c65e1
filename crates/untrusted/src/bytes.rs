//! Bytes without escape sequences.

use std::borrow::Cow;

use memchr::memchr;

use crate::grammar::{ESC, Escape, INTRODUCER, StringEnds, control, endless_len, escape};

/// What is left of `bytes` without escape sequences, for a search of what a person sees. All else stays as it is. Newlines
/// stay where they are: a sequence that is not complete ends with its line.
#[must_use]
pub fn without_escapes(bytes: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr(ESC, bytes) else { return Cow::Borrowed(bytes) };
    let mut text = Vec::with_capacity(bytes.len());
    text.extend_from_slice(&bytes[..first]);
    let mut ends = StringEnds::new();
    let mut at = first;
    while at < bytes.len() {
        at += 1;
        at += rest_of_sequence(&bytes[at..], &mut ends);
        let next = memchr(ESC, &bytes[at..]).map_or(bytes.len(), |next| at + next);
        text.extend_from_slice(&bytes[at..next]);
        at = next;
    }
    Cow::Owned(text)
}

/// Length of a sequence behind its ESC.
fn rest_of_sequence(behind: &[u8], ends: &mut StringEnds) -> usize {
    match escape(behind) {
        Escape::Control => INTRODUCER + control(&behind[INTRODUCER..]).len(),
        Escape::String => {
            let behind = &behind[INTRODUCER..];
            INTRODUCER + ends.find(behind).unwrap_or_else(|| endless_len(behind))
        }
        Escape::Other(len) => len,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_go_and_lines_stay() {
        let cases: [(&str, &str); 10] = [
            ("plain", "plain"),
            ("\x1b[31mred\x1b[0m: text", "red: text"),
            ("\x1b[1m\x1b[38;5;9merror\x1b[0m\x1b[1m: x", "error: x"),
            ("a\x1b]0;title\x07b", "ab"),
            ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
            ("a\x1b]never ends\nb", "a\nb"),
            ("a\x1b[31\nb", "a\nb"),
            ("a\x1b(Bb\x1b7c", "abc"),
            ("a\x1b", "a"),
            ("\x1b\x1b[0mx\x1b", "x"),
        ];
        for (given, expected) in cases {
            assert_eq!(without_escapes(given.as_bytes()), expected.as_bytes(), "{given:?}");
        }
    }
}
