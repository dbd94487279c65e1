//! Takes text with escape sequences apart.

use std::str::Chars;

use roboppi_run::is_visible;
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
    chars: Chars<'a>,
    marks: u8,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { chars: text.chars(), marks: MARKS }
    }

    /// Bytes that were not looked at yet.
    pub(super) fn left(&self) -> usize {
        self.chars.as_str().len()
    }

    fn peek(&self) -> Option<char> {
        self.chars.clone().next()
    }

    /// After ESC.
    fn escape(&mut self) -> Option<Token> {
        match self.peek()? {
            '[' => {
                self.chars.next();
                self.csi()
            }
            ']' | 'P' | 'X' | '^' | '_' => {
                self.chars.next();
                self.skip_string();
                None
            }
            ' '..='/' => {
                while matches!(self.peek(), Some(' '..='/')) {
                    self.chars.next();
                }
                if matches!(self.peek(), Some('0'..='~')) {
                    self.chars.next();
                }
                None
            }
            '0'..='~' => {
                self.chars.next();
                None
            }
            _ => None,
        }
    }

    /// After CSI. A character that cannot belong to the sequence ends it and is looked at afresh.
    fn csi(&mut self) -> Option<Token> {
        let mut params = Params::default();
        let mut private = false;
        loop {
            match self.peek()? {
                char @ ('0'..='9' | ';' | ':') => params.push(char),
                '<'..='?' | ' '..='/' => private = true,
                char @ '@'..='~' => {
                    self.chars.next();
                    let first = params.first();
                    return match char {
                        _ if private => None,
                        'm' => Some(Token::Sgr(params)),
                        'K' => Some(Token::EraseLine(first.unwrap_or(0))),
                        'G' => Some(Token::Column(first.unwrap_or(1).saturating_sub(1))),
                        _ => None,
                    };
                }
                _ => return None,
            }
            self.chars.next();
        }
    }

    /// After the introducer of a string: skips to its terminator, or to the end of the text. A line break
    /// ends it too, so that one broken sequence hides one line at most.
    fn skip_string(&mut self) {
        while let Some(char) = self.peek() {
            match char {
                '\n' => return,
                '\x07' | '\u{9c}' => {
                    self.chars.next();
                    return;
                }
                '\x1b' => {
                    self.chars.next();
                    if self.peek() == Some('\\') {
                        self.chars.next();
                    }
                    return;
                }
                _ => {
                    self.chars.next();
                }
            }
        }
    }
}

impl Iterator for Scanner<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            let char = self.chars.next()?;
            let token = match char {
                '\x1b' => self.escape(),
                '\u{9b}' => self.csi(),
                '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => {
                    self.skip_string();
                    None
                }
                '\n' | '\x0b' | '\x0c' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(Token::Break),
                '\t' => Some(Token::Tab),
                '\r' => Some(Token::CarriageReturn),
                '\x08' => Some(Token::Backspace),
                char if !is_visible(char) => None,
                char if char.width() == Some(0) => {
                    self.marks = self.marks.saturating_add(1);
                    (self.marks <= MARKS).then_some(Token::Char(char))
                }
                char => {
                    self.marks = 0;
                    Some(Token::Char(char))
                }
            };
            if token.is_some() {
                return token;
            }
        }
    }
}
