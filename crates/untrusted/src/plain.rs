//! Text that is shown as it is, passed over many bytes at once.

use crate::grammar::ESC;
use crate::is_visible;

/// Bytes that are looked at together, without a branch between them, so that the compiler uses vectors.
const TOGETHER: usize = 16;

/// How many bytes from the first on are printable ASCII or tabs.
pub(crate) fn plain_len(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(chunk) = bytes[at..].first_chunk() {
        if !are_plain(chunk) {
            return at + before_special(chunk);
        }
        at += TOGETHER;
    }
    if at > 0 && bytes.last_chunk().is_some_and(are_plain) {
        return bytes.len();
    }
    at + before_special(&bytes[at..])
}

#[inline]
fn are_plain(bytes: &[u8; TOGETHER]) -> bool {
    bytes.iter().fold(true, |all, byte| all & is_plain(*byte))
}

#[inline]
const fn is_plain(byte: u8) -> bool {
    // No `||`, which would be a branch.
    (byte >= b' ') & (byte <= b'~') | (byte == b'\t')
}

/// How many of a few bytes are plain.
#[inline]
fn before_special(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(word) = bytes[at..].first_chunk() {
        let printable = first_unprintable(u64::from_le_bytes(*word));
        at += printable;
        if printable == word.len() {
            continue;
        }
        if bytes[at] != b'\t' {
            return at;
        }
        at += 1;
    }
    while at < bytes.len() && is_plain(bytes[at]) {
        at += 1;
    }
    at
}

/// How many of the lowest bytes of a word are printable ASCII: up to 8.
#[inline]
const fn first_unprintable(word: u64) -> usize {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = EACH << 7;
    const DELETE: u64 = EACH * 0x7f;
    // A subtraction borrows from the next byte only behind one that is found, and the lowest counts.
    let below_space = word.wrapping_sub(EACH * b' ' as u64) & !word;
    let is_delete = (word ^ DELETE).wrapping_sub(EACH) & !(word ^ DELETE);
    let found = (below_space | is_delete | word) & HIGH;
    (found.trailing_zeros() / 8) as usize
}

/// Whether a text holds nothing but visible characters, tabs and escape sequences. Says no of some characters that are visible,
/// too: those which take more than two bytes to tell.
pub(crate) fn is_simple(text: &str) -> bool {
    let Some((last, firsts)) = text.as_bytes().split_last() else { return true };
    let seconds = &text.as_bytes()[1..];
    let ((first_chunks, first_rest), (second_chunks, second_rest)) =
        (firsts.as_chunks(), seconds.as_chunks());
    let are_chunks_simple = first_chunks
        .iter()
        .zip(second_chunks)
        .fold(true, |all, (first, second)| all & are_simple(first, second));
    are_chunks_simple
        && is_simple_byte(*last)
        && match (firsts.last_chunk(), seconds.last_chunk()) {
            (Some(first), Some(second)) => are_simple(first, second),
            _ => first_rest.iter().zip(second_rest).all(|(first, second)| is_simple_pair(*first, *second)),
        }
}

/// Whether bytes are simple that have others behind them.
#[inline]
fn are_simple(firsts: &[u8; TOGETHER], seconds: &[u8; TOGETHER]) -> bool {
    firsts.iter().zip(seconds).fold(true, |all, (first, second)| all & is_simple_pair(*first, *second))
}

#[inline]
const fn is_simple_pair(first: u8, second: u8) -> bool {
    // U+2000 to U+207F, of which some hide.
    is_simple_byte(first) & !((first == 0xe2) & (second < 0x82))
}

/// Whether a byte is of a visible character, or begins an escape sequence. Of 0xe2 the next one tells.
#[inline]
const fn is_simple_byte(byte: u8) -> bool {
    // Bytes that go on, and the first ones of characters that are all visible: those of `visible_len`.
    let is_visible = (byte >= 0x80) & (byte <= 0xbf)
        | (byte >= 0xc3) & (byte <= 0xd7)
        | (byte >= 0xe2) & (byte <= 0xed)
        | (byte >= 0xf0) & (byte <= 0xf2);
    is_plain(byte) | is_visible | (byte == ESC)
}

/// How many bytes from the first on are visible characters or tabs.
pub(crate) fn shown_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = plain_len(bytes);
    while let Some(first) = bytes.get(at).filter(|byte| !byte.is_ascii()) {
        at += match visible_len(*first, bytes.get(at + 1)) {
            Some(len) => len,
            None => match text[at..].chars().next().filter(|char| is_visible(*char)) {
                Some(char) => char.len_utf8(),
                None => return at,
            },
        };
        if bytes.get(at).is_some_and(u8::is_ascii) {
            at += plain_len(&bytes[at..]);
        }
    }
    at
}

/// The length of a character of which two bytes tell that it is visible. Of the others a few are not.
#[inline]
const fn visible_len(first: u8, second: Option<&u8>) -> Option<usize> {
    match (first, second) {
        (0xc3..=0xd7, _) => Some(2),
        (0xe2, Some(0x82..)) | (0xe3..=0xed, _) => Some(3),
        (0xf0..=0xf2, _) => Some(4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> usize {
        let mut chars = text.char_indices();
        chars.find(|(_, char)| *char != '\t' && !is_visible(*char)).map_or(text.len(), |(at, _)| at)
    }

    #[test]
    fn every_byte_is_plain_or_not_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            let is_plain = byte == b'\t' || (byte.is_ascii() && is_visible(char::from(byte)));
            for len in 1..50 {
                for at in 0..len {
                    let mut bytes = vec![b'x'; len];
                    bytes[at] = byte;
                    assert_eq!(plain_len(&bytes), if is_plain { len } else { at }, "{byte} at {at} of {len}");
                }
            }
        }
    }

    #[test]
    fn every_character_is_shown_or_not() {
        for char in '\0'..=char::MAX {
            let text = format!("漢x{char}x");
            assert_eq!(shown_len(&text), shown(&text), "{char:?}");
        }
    }

    #[test]
    fn a_simple_text_hides_nothing() {
        for char in '\0'..=char::MAX {
            for text in [format!("x{char}x"), format!("{char}, and more than fits in a vector{char}")] {
                let is_shown = char == '\x1b' || shown(&text) == text.len();
                assert!(is_shown || !is_simple(&text), "{char:?}");
            }
        }
        assert!(is_simple("\x1b[32m✓\x1b[39m a\tline ─ 漢 ü 👩"));
        assert!(is_simple("") && is_simple("\x1b"));
    }

    proptest! {
        #[test]
        fn the_first_byte_that_is_not_plain_is_found(bytes in prop::collection::vec(
            prop_oneof![8 => b' '..=b'~', 1 => Just(b'\t'), 1 => any::<u8>()], 0..60,
        )) {
            let first = bytes.iter().position(|byte| !is_plain(*byte));
            prop_assert_eq!(plain_len(&bytes), first.unwrap_or(bytes.len()));
        }

        #[test]
        fn what_is_shown_ends_where_a_character_is_not(
            text in "[a-z\t]{0,20}[ä漢🎉é]{0,3}[ -~]{0,40}[\u{0}-\u{2ff}\u{2000}-\u{2070}]{0,10}",
        ) {
            prop_assert_eq!(shown_len(&text), shown(&text));
        }
    }
}
