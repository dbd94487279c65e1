//! What of foreign text matters to cells.

use roboppi_untrusted as untrusted;
use unicode_width::UnicodeWidthChar;

use super::sgr::Params;

/// What matters of a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A character that may be drawn.
    Char(char),
    /// The end of a line, of whatever kind.
    Break,
    Tab,
    CarriageReturn,
    Backspace,
    /// Colours and attributes.
    Sgr(Params),
    /// Erase in line: 0 from the cursor on, 1 up to it, 2 all.
    EraseLine(u16),
    /// Move to a column, from 0.
    Column(u16),
}

/// Marks one character may carry. More than any script needs, less than what makes a cell expensive.
const MARKS: u8 = 8;

/// Iterates over the tokens of a text and skips everything that must not reach a terminal.
pub(super) struct Scanner<'a> {
    inner: untrusted::Scanner<'a>,
    marks: u8,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { inner: untrusted::Scanner::new(text), marks: MARKS }
    }

    /// What was not looked at yet.
    pub(super) fn rest(&self) -> &'a str {
        self.inner.rest()
    }

    /// Passes over so many bytes of the rest.
    pub(super) fn pass_over(&mut self, bytes: usize) {
        self.inner.pass_over(bytes);
    }

    /// Takes the next marks for the first ones of their character.
    pub(super) const fn forget_marks(&mut self) {
        self.marks = 0;
    }

    /// A title, a link or a picture is not drawn, nor is what one without an end would swallow: a line that was cut, or is not
    /// written to its end yet, ends in the middle of one.
    fn skip_string(&mut self) {
        if !self.inner.skip_string() {
            self.inner.skip_endless_string();
        }
    }

    fn may_be_drawn(&mut self, char: char) -> bool {
        if char.width() == Some(0) {
            self.marks = self.marks.saturating_add(1);
            return self.marks <= MARKS;
        }
        self.marks = 0;
        true
    }
}

/// What a control sequence does within a line; nothing for most.
fn control(control: untrusted::Control<'_>) -> Option<Token> {
    let params = Params::parse(control.parameters);
    let first = params.first();
    match control.action {
        'm' => Some(Token::Sgr(params)),
        'K' => Some(Token::EraseLine(first.unwrap_or(0))),
        'G' => Some(Token::Column(first.unwrap_or(1).saturating_sub(1))),
        _ => None,
    }
}

impl Iterator for Scanner<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            let token = match self.inner.next()? {
                untrusted::Token::Char(char) => self.may_be_drawn(char).then_some(Token::Char(char)),
                untrusted::Token::Break(_) => Some(Token::Break),
                untrusted::Token::Tab => Some(Token::Tab),
                untrusted::Token::CarriageReturn => Some(Token::CarriageReturn),
                untrusted::Token::Backspace => Some(Token::Backspace),
                untrusted::Token::Control(found) => control(found),
                untrusted::Token::String(_) => {
                    self.skip_string();
                    None
                }
            };
            if token.is_some() {
                return token;
            }
        }
    }
}
