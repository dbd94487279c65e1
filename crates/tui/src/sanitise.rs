//! Makes foreign text safe and right on a terminal.
//!
//! `roboppi_untrusted` takes the text apart; here its pieces become cells.
//!
//! Everything that is drawn and was not written in this crate comes through here: names, details, paths,
//! output of workers. What survives is printable text; colours of workers survive as styles, never as
//! bytes. Besides control characters, characters that reorder or hide other text are taken out, because a
//! reader must see what is there.

mod line;
mod scan;
mod sgr;
mod shape;

pub(crate) use line::{StyledLine, styled_line};
use scan::{Scanner, Token};
pub(crate) use shape::{FarLine, Row, columns_of, measure, scrolled, wrapped};

/// One line of plain text: escape sequences and invisible characters are gone, tabs and line breaks are
/// single spaces.
pub(crate) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for token in Scanner::new(text) {
        match token {
            Token::Char(char) => clean.push(char),
            Token::Break | Token::Tab | Token::CarriageReturn => {
                if !clean.ends_with(' ') {
                    clean.push(' ');
                }
            }
            Token::Backspace | Token::Sgr(_) | Token::EraseLine(_) | Token::Column(_) => {}
        }
    }
    clean
}

/// Plain text of several lines. Tabs become spaces up to the next multiple of [`TAB`].
pub(crate) fn lines(text: &str) -> Vec<String> {
    text.split('\n').map(line).collect()
}

/// One line that may hold tabs; what a carriage return overwrote is gone.
pub(crate) fn line(text: &str) -> String {
    styled_line(text.as_bytes(), usize::MAX, false).plain()
}

/// Distance of tab stops.
pub(crate) const TAB: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use roboppi_untrusted::is_visible;

    #[test]
    fn sequences_vanish_and_text_stays() {
        let cases = [
            ("plain", "plain"),
            ("\x1b[31mred\x1b[0m", "red"),
            ("\x1b]0;title\x07after", "after"),
            ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
            ("a\x1bPq#0\x1b\\b", "ab"),
            ("a\u{9b}31mb", "ab"),
            ("a\u{9d}0;t\u{9c}b", "ab"),
            ("\x1b(Bx\x1b7y\x1bcz", "xyz"),
            ("a\x00b\x07c\x7fd", "abcd"),
            ("two\nlines\r\n\tthree", "two lines three"),
            ("safe\u{202e}txt.exe", "safetxt.exe"),
            ("zero\u{200b}width\u{feff}", "zerowidth"),
            ("日本 e\u{301}", "日本 e\u{301}"),
            ("cut \x1b[3", "cut "),
            ("odd \x1b[3\nnext", "odd next"),
        ];
        for (given, expected) in cases {
            assert_eq!(clean(given), expected, "{given:?}");
        }
    }

    #[test]
    fn a_pile_of_marks_is_cut() {
        let pile = format!("a{}b", "\u{301}".repeat(1_000));
        assert!(clean(&pile).chars().count() < 20);
    }

    #[test]
    fn several_lines() {
        assert_eq!(lines("a\tb\nc\r\n10%\r100%"), ["a       b", "c", "100%"]);
    }

    proptest! {
        #[test]
        fn nothing_but_drawable_characters_survives(given in any::<String>()) {
            prop_assert!(clean(&given).chars().all(is_visible));
            prop_assert!(lines(&given).iter().all(|line| line.chars().all(is_visible)));
        }

        #[test]
        fn escapes_in_any_mix_never_survive(parts in prop::collection::vec(
            prop_oneof![
                Just("\x1b"), Just("["), Just("]"), Just("P"), Just("0;31"), Just("m"), Just("K"), Just("\x07"),
                Just("\x1b\\"), Just("\u{9b}"), Just("\u{85}"), Just("\r"), Just("\x08"), Just("漢"), Just("a"),
                Just("\u{202e}"), Just("\t"), Just("\n"),
            ], 0..40))
        {
            let given = parts.concat();
            prop_assert!(clean(&given).chars().all(is_visible));
            let styled = styled_line(given.as_bytes(), 40, true);
            prop_assert!(styled.plain().chars().all(is_visible));
        }
    }
}
