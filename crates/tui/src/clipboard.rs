//! Text for the clipboard of whoever sits in front of the terminal, wherever this process runs.

use data_encoding::BASE64;

/// Bytes of text that terminals take at least.
const MOST: usize = 74_994;

/// The bytes that make a terminal put `text` on its clipboard (OSC 52). What is too long for terminals is cut at a line.
pub(crate) fn osc52(text: &str) -> Vec<u8> {
    let mut text = text;
    if text.len() > MOST {
        text = &text[..text.floor_char_boundary(MOST)];
        text = text.rfind('\n').map_or(text, |end| &text[..end]);
    }
    format!("\x1b]52;c;{}\x07", BASE64.encode(text.as_bytes())).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_encoded_and_cut_at_a_line() {
        assert_eq!(osc52("hello\nyou"), b"\x1b]52;c;aGVsbG8KeW91\x07");
        let long = "0123456789\n".repeat(10_000);
        let bytes = osc52(&long);
        let encoded = &bytes[7..bytes.len() - 1];
        let text = String::from_utf8(BASE64.decode(encoded).unwrap()).unwrap();
        assert!(text.len() <= MOST && text.len() > MOST - 20 && long.starts_with(&text));
        assert!(text.ends_with('9'), "a whole line");
    }
}
