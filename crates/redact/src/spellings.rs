//! The ways in which a value may be written in a text.

use std::collections::BTreeSet;

use crate::SHORTEST;

/// Everything that is looked for when `value` is secret: the value, its encodings, and for a value of several
/// lines each line. Empty when the value is too short to be hidden.
pub(crate) fn spellings(value: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    let value = without_line_end(value);
    if value.len() < SHORTEST {
        return found;
    }
    spell(value, &mut found);
    if value.contains(&b'\n') {
        // A terminal, and half of all editors, turn one into the other.
        let unix = replace(value, b"\r\n", b"\n");
        spell(&replace(&unix, b"\n", b"\r\n"), &mut found);
        spell(&unix, &mut found);
        // Without base64: who encodes a key encodes all of it, and these patterns would outnumber all others.
        for line in unix.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
            if line.len() >= SHORTEST && !is_armour(line) {
                write_out(line, &mut found);
            }
        }
    }
    found
}

/// A value read from a file often ends its last line; what is printed of it does not.
pub(crate) fn without_line_end(value: &[u8]) -> &[u8] {
    let end = value.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'));
    &value[..end.map_or(0, |last| last + 1)]
}

/// The first and last line of a PEM file are in every such file and give nothing away.
fn is_armour(line: &[u8]) -> bool {
    (line.starts_with(b"-----BEGIN ") || line.starts_with(b"-----END ")) && line.ends_with(b"-----")
}

fn spell(value: &[u8], into: &mut BTreeSet<Vec<u8>>) {
    write_out(value, into);
    for alphabet in [STANDARD, URL_SAFE] {
        for before in 0..3 {
            into.insert(base64_core(value, before, alphabet));
        }
    }
}

/// The spellings that keep letters and digits as they are.
fn write_out(value: &[u8], into: &mut BTreeSet<Vec<u8>>) {
    into.insert(value.to_vec());
    for upper in [true, false] {
        for (kept, plus) in KEPT {
            into.insert(percent(value, kept, *plus, upper));
        }
    }
    if let Ok(text) = std::str::from_utf8(value) {
        for choice in 0..16 {
            into.insert(json(text, JsonStyle::from_bits(choice)).into_bytes());
        }
        // A JSON text within a JSON text: what agents make of the output of a tool.
        let plain = JsonStyle::from_bits(0);
        into.insert(json(&json(text, plain), plain).into_bytes());
    }
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest, from) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// What encoders leave alone besides letters and digits, and whether a space becomes `+`.
const KEPT: &[(&[u8], bool)] = &[
    (b"", false),
    (b"-._~", false),
    (b"-._~/", false),
    (b"-._~!'()*", false),
    (b"-._~!'()*;,/?:@&=+$#", false),
    (b"*-._", true),
    (b"-._~", true),
];

fn percent(value: &[u8], kept: &[u8], plus: bool, upper: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() * 3);
    for &byte in value {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            out.push(byte);
        } else if plus && byte == b' ' {
            out.push(b'+');
        } else {
            let hex = if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") };
            out.extend_from_slice(hex.as_bytes());
        }
    }
    out
}

/// The freedoms that writers of JSON take.
#[derive(Clone, Copy)]
struct JsonStyle {
    slash: bool,
    ascii: bool,
    html: bool,
    upper: bool,
}

impl JsonStyle {
    fn from_bits(bits: u8) -> Self {
        let bit = |at: u8| bits & (1 << at) != 0;
        Self { slash: bit(0), ascii: bit(1), html: bit(2), upper: bit(3) }
    }
}

fn json(text: &str, style: JsonStyle) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut units = [0; 2];
    for c in text.chars() {
        let short = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            '/' if style.slash => "\\/",
            _ => "",
        };
        let html = style.html && matches!(c, '<' | '>' | '&' | '\'' | '\u{2028}' | '\u{2029}');
        if !short.is_empty() {
            out.push_str(short);
        } else if c < ' ' || html || (style.ascii && !c.is_ascii()) {
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&if style.upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") });
            }
        } else {
            out.push(c);
        }
    }
    out
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The characters of a base64 text that hold bits of `value` only, when `before` bytes (modulo 3) precede it.
fn base64_core(value: &[u8], before: usize, alphabet: &[u8; 64]) -> Vec<u8> {
    let byte =
        |at: usize| at.checked_sub(before).and_then(|at| value.get(at)).map_or(0, |byte| u16::from(*byte));
    let first = (before * 8).div_ceil(6);
    let end = (before + value.len()) * 8 / 6;
    (first..end)
        .map(|at| {
            let (start, shift) = (at * 6 / 8, at * 6 % 8);
            let pair = byte(start) << 8 | byte(start + 1);
            alphabet[usize::from(pair >> (10 - shift) & 0x3f)]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(value: &str, spelling: &str) {
        assert!(
            spellings(value.as_bytes()).contains(spelling.as_bytes()),
            "{value:?} is not looked for as {spelling:?}"
        );
    }

    #[test]
    fn a_plain_value_needs_four_patterns() {
        assert_eq!(spellings(b"abcdefgh12345678").len(), 4);
    }

    #[test]
    fn urls_and_forms() {
        has("pa ss/w+rd~1", "pa%20ss%2Fw%2Brd~1");
        has("pa ss/w+rd~1", "pa%20ss%2fw%2brd~1");
        has("pa ss/w+rd~1", "pa+ss%2Fw%2Brd~1");
        has("pa ss/w+rd~1", "pa+ss%2fw%2brd%7e1");
        has("pa ss/w+rd~1", "pa%20ss/w%2Brd~1");
        has("pässwörter", "p%C3%A4ssw%C3%B6rter");
    }

    #[test]
    fn json_texts() {
        has("a\"b\\c/d\nefg", r#"a\"b\\c/d\nefg"#);
        has("a\"b\\c/d\nefg", r#"a\"b\\c\/d\nefg"#);
        has("a\"b\\c/d\nefg", r#"a\\\"b\\\\c/d\\nefg"#);
        has("pässwörter", r"p\u00e4ssw\u00f6rter");
        has("pässwörter", r"p\u00E4ssw\u00F6rter");
        has("key-😀-key", r"key-\ud83d\ude00-key");
        has("key-😀-key", r"key-\uD83D\uDE00-key");
        has("a<b>c&d'e\u{1}x", r"a\u003cb\u003ec\u0026d\u0027e\u0001x");
    }

    #[test]
    fn base64_at_each_alignment() {
        // Known answers: "", "x" and "xy" before the value, something after it.
        has("any carnal pleasure", "YW55IGNhcm5hbCBwbGVhc3VyZ");
        has("any carnal pleasure", "FueSBjYXJuYWwgcGxlYXN1cm");
        has("any carnal pleasure", "hbnkgY2FybmFsIHBsZWFzdXJl");
        has("\u{3e}\u{3e}\u{3e}\u{3f}\u{3f}\u{3f}abc", "Pj4+Pz8/YWJj");
        has("\u{3e}\u{3e}\u{3e}\u{3f}\u{3f}\u{3f}abc", "Pj4-Pz8_YWJj");
    }

    #[test]
    fn keys_of_many_lines() {
        let key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\n  kqhkiG9w0BAQ\nAB==\n-----END KEY-----\n";
        has(key, key.trim_end());
        has(key, &key.trim_end().replace('\n', "\r\n"));
        has(key, &key.trim_end().replace('\n', "\\n"));
        has(key, "MIIEvQIBADANBg");
        has(key, "kqhkiG9w0BAQ");
        // All of it in base64, with either line end.
        for text in [key.trim_end().to_owned(), key.trim_end().replace('\n', "\r\n")] {
            let core = base64_core(text.as_bytes(), 0, STANDARD);
            has(key, std::str::from_utf8(&core).unwrap());
        }
        let found = spellings(key.as_bytes());
        for open in ["AB==", "-----BEGIN KEY-----", "-----END KEY-----"] {
            assert!(!found.contains(open.as_bytes()), "{open}");
        }
        assert!(spellings("a\r\nb".as_bytes()).is_empty());
        assert!(spellings("sevench\n".as_bytes()).is_empty());
    }
}
