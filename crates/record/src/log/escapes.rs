//! Text without its escape sequences.

use std::borrow::Cow;

use memchr::memchr;

const ESC: u8 = 0x1b;

/// What is left of `bytes` without escape sequences. Newlines stay where they are: a sequence that is not complete
/// ends with its line.
pub(super) fn taken_out(bytes: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr(ESC, bytes) else { return Cow::Borrowed(bytes) };
    let mut text = Vec::with_capacity(bytes.len());
    text.extend_from_slice(&bytes[..first]);
    let mut at = first;
    while at < bytes.len() {
        at += sequence(&bytes[at..]);
        let next = memchr(ESC, &bytes[at..]).map_or(bytes.len(), |next| at + next);
        text.extend_from_slice(&bytes[at..next]);
        at = next;
    }
    Cow::Owned(text)
}

/// Length of the sequence that `bytes`, which begins with ESC, begins with.
fn sequence(bytes: &[u8]) -> usize {
    match bytes.get(1) {
        Some(b'[') => {
            let parameters = bytes[2..].iter().take_while(|byte| (0x20..=0x3f).contains(*byte)).count();
            let end = 2 + parameters;
            end + usize::from(bytes.get(end).is_some_and(|last| (0x40..=0x7e).contains(last)))
        }
        Some(b']' | b'P' | b'X' | b'^' | b'_') => {
            let end = bytes[2..].iter().position(|byte| matches!(byte, 0x07 | b'\n' | &ESC));
            match end.map(|end| (end + 2, bytes[end + 2])) {
                None => bytes.len(),
                Some((end, b'\n')) => end,
                Some((end, ESC)) => end + 1 + usize::from(bytes.get(end + 1) == Some(&b'\\')),
                Some((end, _)) => end + 1,
            }
        }
        Some(0x20..=0x2f) => {
            let between = bytes[1..].iter().take_while(|byte| (0x20..=0x2f).contains(*byte)).count();
            let end = 1 + between;
            end + usize::from(bytes.get(end).is_some_and(|last| (0x30..=0x7e).contains(last)))
        }
        Some(0x30..=0x7e) => 2,
        _ => 1,
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
            assert_eq!(taken_out(given.as_bytes()), expected.as_bytes(), "{given:?}");
        }
    }
}
