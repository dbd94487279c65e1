//! Texts that are cut to a length.

/// Cuts a text at a character boundary to at most `most` bytes. Returns whether anything is missing.
pub(crate) fn cut(text: &str, most: usize) -> (&str, bool) {
    if text.len() <= most {
        return (text, false);
    }
    (&text[..text.floor_char_boundary(most)], true)
}

/// The beginning of a text, with a mark where something is missing.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    match cut(text, most) {
        (text, false) => text.to_owned(),
        (text, true) => format!("{text}…"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("abc", 3), ("abc", false));
        assert_eq!(cut("äöü", 3), ("ä", true));
        assert_eq!(shortened("äöü", 4), "äö…");
    }
}
