//! Where bytes that become text may be cut.

/// Length of the incomplete character at the end of `bytes`: 0 to 3. Bytes that can never become a
/// character are not incomplete.
#[must_use]
pub fn incomplete_suffix(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let byte = bytes[bytes.len() - back];
        let needed = match byte {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return 0,
        };
        return if needed > back { back } else { 0 };
    }
    0
}

/// Bytes as text, without a copy when they are text already. What is not UTF-8 becomes U+FFFD.
#[must_use]
pub fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_still_become_a_character_is_incomplete() {
        for character in ["a", "é", "€", "𝄞"] {
            let bytes = character.as_bytes();
            for cut in 0..bytes.len() {
                assert_eq!(incomplete_suffix(&bytes[..cut]), cut, "{character} cut at {cut}");
            }
            assert_eq!(incomplete_suffix(bytes), 0);
        }
        for invalid in [b"\x80".as_slice(), b"\x80\x80\x80\x80", b"\xff", b"\xc0", b"a\xe2\x82\xac\x80"] {
            assert_eq!(incomplete_suffix(invalid), 0, "{invalid:x?}");
        }
    }
}
