//! Text that XML may hold.

use std::borrow::Cow;

/// The text with [U+FFFD](char::REPLACEMENT_CHARACTER) for every character that no XML 1.0 document may hold, not even
/// escaped. Readers reject the whole document because of one.
pub(super) fn xml_text(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_allowed) {
        return Cow::Borrowed(text);
    }
    let replace = |char| if is_allowed(char) { char } else { char::REPLACEMENT_CHARACTER };
    Cow::Owned(text.chars().map(replace).collect())
}

/// The production `Char` of XML 1.0. Carriage returns are left out: a reader turns them into line feeds.
const fn is_allowed(char: char) -> bool {
    matches!(char,
        '\t' | '\n' | '\u{20}'..='\u{7e}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_no_document_may_hold_are_replaced() {
        assert!(matches!(xml_text("a <b> & \"c\"\n\té 日本 🦀"), Cow::Borrowed(_)));
        assert_eq!(
            xml_text("a\0b\x1bc\u{7f}d\u{85}e\u{fffe}f\u{ffff}g\rh"),
            "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e\u{fffd}f\u{fffd}g\u{fffd}h"
        );
    }
}
