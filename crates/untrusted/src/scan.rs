//! Takes text apart.

use crate::grammar::{Escape, INTRODUCER, StringEnds, control, endless_len, escape};
use crate::is_visible;
use crate::plain::shown_len;

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// A character that may be shown.
    Char(char),
    /// What ends a line or a page, but for the carriage return.
    Break(char),
    /// A tab.
    Tab,
    /// A carriage return.
    CarriageReturn,
    /// A backspace.
    Backspace,
    /// A control sequence.
    Control(Control<'a>),
    /// The introducer of a control string: of a title, a link, a picture. [`Scanner::skip_string`] passes over the rest of
    /// it; a reader that does not call it gets the rest as text.
    String(Introducer),
}

/// A control sequence (CSI) that is whole and standardized. One of a private kind is no token: nothing here acts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control<'a> {
    /// How it begins.
    pub introducer: Introducer,
    /// Its parameters as they are written: digits, `;` and `:`.
    pub parameters: &'a str,
    /// The character that says what it does: `m` sets colours.
    pub action: char,
}

impl Control<'_> {
    /// Bytes of the whole sequence.
    #[must_use]
    #[inline]
    pub(crate) const fn len(&self) -> usize {
        // An introducer of either kind has two bytes.
        2 + self.parameters.len() + self.action.len_utf8()
    }
}

/// How a control sequence or a control string begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Introducer {
    /// With ESC and another character.
    Escape,
    /// With one control character above U+007F, which text that was decoded twice holds by mistake.
    Single,
}

/// Iterates over the tokens of a text. Control characters, escape sequences and invisible characters that are no token are
/// passed over. Takes time in proportion to the length of the text, whatever is in it.
#[derive(Clone, Debug)]
pub struct Scanner<'a> {
    len: usize,
    rest: &'a str,
    ends: StringEnds,
}

impl<'a> Scanner<'a> {
    /// A scanner at the beginning of `text`.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self { len: text.len(), rest: text, ends: StringEnds::new() }
    }

    /// What was not looked at yet.
    #[must_use]
    #[inline]
    pub const fn rest(&self) -> &'a str {
        self.rest
    }

    /// How many bytes were looked at.
    #[must_use]
    #[inline]
    pub const fn at(&self) -> usize {
        self.len - self.rest.len()
    }

    /// Passes over so many bytes of [`Scanner::rest`], which must end with a whole character.
    #[inline]
    pub fn pass_over(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    /// Passes over the visible characters and tabs up to the next thing that is neither: most of a text at once.
    #[inline]
    pub fn skip_shown(&mut self) {
        self.pass_over(shown_len(self.rest));
    }

    /// Passes over the rest of a string behind its introducer, and says whether it had an end: BEL or ST, in the same line.
    /// Of one without an end nothing is passed over.
    pub fn skip_string(&mut self) -> bool {
        let end = self.ends.find(self.rest.as_bytes());
        self.pass_over(end.unwrap_or(0));
        end.is_some()
    }

    /// Passes over what a string without an end would swallow: up to the next ESC, or the end of the line.
    pub fn skip_endless_string(&mut self) {
        self.pass_over(endless_len(self.rest.as_bytes()));
    }

    /// Behind ESC.
    #[inline]
    fn escape(&mut self) -> Option<Token<'a>> {
        match escape(self.rest.as_bytes()) {
            Escape::Control => {
                self.pass_over(INTRODUCER);
                self.control(Introducer::Escape)
            }
            Escape::String => {
                self.pass_over(INTRODUCER);
                Some(Token::String(Introducer::Escape))
            }
            Escape::Other(len) => {
                self.pass_over(len);
                None
            }
        }
    }

    /// Behind CSI. A character that cannot belong to the sequence ends it and is looked at afresh.
    #[inline]
    fn control(&mut self, introducer: Introducer) -> Option<Token<'a>> {
        let sequence = control(self.rest.as_bytes());
        let parameters = &self.rest[..sequence.parameters];
        self.pass_over(sequence.len());
        let action = char::from(sequence.action?);
        sequence.is_standard.then_some(Token::Control(Control { introducer, parameters, action }))
    }
}

impl<'a> Iterator for Scanner<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let mut chars = self.rest.chars();
            let next = chars.next()?;
            self.rest = chars.as_str();
            let token = match next {
                '\x1b' => self.escape(),
                '\u{9b}' => self.control(Introducer::Single),
                '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => Some(Token::String(Introducer::Single)),
                char @ ('\n' | '\x0b' | '\x0c' | '\u{85}' | '\u{2028}' | '\u{2029}') => {
                    Some(Token::Break(char))
                }
                '\t' => Some(Token::Tab),
                '\r' => Some(Token::CarriageReturn),
                '\x08' => Some(Token::Backspace),
                char => is_visible(char).then_some(Token::Char(char)),
            };
            if token.is_some() {
                return token;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn control(parameters: &str, action: char) -> Token<'_> {
        Token::Control(Control { introducer: Introducer::Escape, parameters, action })
    }

    #[test]
    fn sequences_are_tokens_or_nothing() {
        let cases: &[(&str, &[Token<'_>])] = &[
            ("\x1b[1;38:5:9m", &[control("1;38:5:9", 'm')]),
            ("\x1b[K\x1b[2G", &[control("", 'K'), control("2", 'G')]),
            ("\x1b[?25l\x1b[>0m\x1b[ q", &[]),
            ("\x1b[3\u{301}", &[Token::Char('\u{301}')]),
            ("\x1b(B\x1b7\x1b", &[]),
            ("\x1b漢", &[Token::Char('漢')]),
            ("\t\r\x08\x0c", &[Token::Tab, Token::CarriageReturn, Token::Backspace, Token::Break('\x0c')]),
            ("\u{0}\u{7f}\u{202e}", &[]),
        ];
        for (given, expected) in cases {
            assert_eq!(Scanner::new(given).collect::<Vec<_>>(), *expected, "{given:?}");
        }
    }

    /// What is left behind the first string.
    fn behind(text: &str) -> (bool, String) {
        let mut scanner = Scanner::new(text);
        assert!(matches!(scanner.next(), Some(Token::String(_))), "{text:?}");
        let ended = scanner.skip_string();
        if !ended {
            scanner.skip_endless_string();
        }
        (ended, scanner.rest().to_owned())
    }

    #[test]
    fn a_string_ends_in_its_line_or_not_at_all() {
        for (given, ended, left) in [
            ("\x1b]0;title\x07x", true, "x"),
            ("\x1b]8;;http://x\x1b\\link", true, "link"),
            ("\u{9d}0;t\u{9c}b", true, "b"),
            ("\x1bPtmux;\x1b\x1b]52;c;x\x07y", true, "y"),
            ("\x1b]0;never ends", false, ""),
            ("\x1b]0;never\nends\x07", false, "\nends\x07"),
            ("\x1b]0;never\x1b[31mred", false, "\x1b[31mred"),
        ] {
            assert_eq!(behind(given), (ended, left.to_owned()), "{given:?}");
        }
    }

    #[test]
    fn strings_without_an_end_take_no_longer_than_others() {
        // Each would be searched to the end of the text.
        let text = "\x1b]".repeat(1_000_000);
        let mut scanner = Scanner::new(&text);
        let mut strings = 0;
        while let Some(token) = scanner.next() {
            assert_eq!(token, Token::String(Introducer::Escape));
            assert!(!scanner.skip_string());
            strings += 1;
        }
        assert_eq!(strings, 1_000_000);
    }

    #[test]
    fn a_string_of_the_next_line_may_end() {
        let mut scanner = Scanner::new("\x1b]a\n\x1b]b\x07c");
        let mut text = String::new();
        while let Some(token) = scanner.next() {
            match token {
                Token::Char(char) | Token::Break(char) => text.push(char),
                Token::String(_) => drop(scanner.skip_string()),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(text, "a\nc");
    }

    proptest! {
        #[test]
        fn only_visible_characters_are_characters(given in any::<String>()) {
            for token in Scanner::new(&given) {
                if let Token::Char(char) = token {
                    prop_assert!(is_visible(char));
                }
            }
        }
    }
}
