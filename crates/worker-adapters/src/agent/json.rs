//! JSON lines as programs of other languages really write them.

use std::borrow::Cow;

/// The text of a line, with U+FFFD for what is not UTF-8.
pub(crate) fn text(line: &[u8]) -> Cow<'_, str> {
    // Nearly all lines are, and this way is faster for those.
    std::str::from_utf8(line).map_or_else(|_| String::from_utf8_lossy(line), Cow::Borrowed)
}

/// `text` with U+FFFD for every escaped half of a surrogate pair that stands alone. `None` when there is none.
///
/// Rust's texts cannot hold them; programs in JavaScript leave them behind when they shorten a text.
#[must_use]
pub fn with_repaired_text(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    let bytes = text.as_bytes();
    while let Some(found) = memchr::memchr(b'\\', &bytes[at..]) {
        let start = at + found;
        let Some(unit) = escaped_unit(bytes, start) else {
            // An escaped backslash must not begin another escape.
            at = start + 2;
            if at >= bytes.len() {
                break;
            }
            continue;
        };
        at = start + 6;
        match unit {
            0xd800..=0xdbff if matches!(escaped_unit(bytes, at), Some(0xdc00..=0xdfff)) => at += 6,
            0xd800..=0xdfff => {
                out.push_str(&text[copied..start]);
                out.push_str("\\ufffd");
                copied = at;
            }
            _ => {}
        }
    }
    (copied > 0).then(|| {
        out.push_str(&text[copied..]);
        out
    })
}

/// Length of the object that begins `text`, by its braces; 0 when none does, or it has no end.
pub(super) fn length_of_object(text: &str) -> usize {
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b'{' if !in_text => depth += 1,
            b'}' if !in_text => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        if depth == 0 {
            return 0;
        }
    }
    0
}

/// The number of the escape `\uXXXX` that begins at `start`.
fn escaped_unit(bytes: &[u8], start: usize) -> Option<u16> {
    let escape = bytes.get(start..start + 6)?;
    let digits = std::str::from_utf8(escape.strip_prefix(b"\\u")?).ok()?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_pairs_become_readable() {
        for (line, repaired) in [
            (r#""a\ud83d""#, Some(r#""a\ufffd""#)),
            (r#""a\n\"b""#, None),
            (r#""\ud83d\ude00""#, None),
            (r#""\ud83d""#, Some(r#""\ufffd""#)),
            (r#""\ude00\ud83dx""#, Some(r#""\ufffd\ufffdx""#)),
            (r#""\ud83d\ud83d\ude00""#, Some(r#""\ufffd\ud83d\ude00""#)),
            (r#""\\ud83d""#, None),
            (r#""\\\ud83dé""#, Some(r#""\\\ufffdé""#)),
            ("\\", None),
            ("\\é\\ud", None),
        ] {
            assert_eq!(with_repaired_text(line).as_deref(), repaired, "{line}");
        }
    }
}
