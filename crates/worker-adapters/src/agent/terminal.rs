//! Bytes for a terminal around the lines of a program: marks of an encoding, titles, colours, modes.
//!
//! A program that prints one JSON object a line may run beside others that write to the same terminal, or be wrapped by one.
//! What stands in a text of an object is escaped there and is no such byte.

use std::borrow::Cow;

use roboppi_untrusted::TerminalBytes;

/// A text without them.
pub(super) fn without(text: &str) -> Cow<'_, str> {
    if !TerminalBytes::may_be_in(text) {
        return Cow::Borrowed(text);
    }
    let mut bytes = TerminalBytes::new();
    let (mut plain, mut at) = (String::with_capacity(text.len()), 0);
    while at < text.len() {
        at += bytes.leading(&text[at..]);
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
    fn text_is_left_as_it_is_otherwise() {
        assert_eq!(without("\x1b[91m\x1b[1mError: \x1b[0mno ä"), "Error: no ä");
        assert_eq!(without("no ä"), "no ä");
    }
}
