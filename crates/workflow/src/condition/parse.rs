//! From the text of a condition to its parts.

use std::ops::Range;

use roboppi_run::StepPath;

use super::{ConditionError, Expression, Kind};
use crate::diagnostic::nearest;
use crate::inputs::number;
use crate::template::is_name;

/// Parts inside each other.
const DEEPEST: usize = 64;
/// Bytes of the longest condition.
const LONGEST: usize = 10_000;
/// Operators side by side: each is one level more of the tree.
const MOST_OPERATORS: usize = 500;

/// What a function is called with.
const FUNCTIONS: [&str; 3] = ["success", "failure", "always"];

type Parsed = Result<Expression, ConditionError>;

pub(super) fn parse(text: &str) -> Parsed {
    if text.len() > LONGEST {
        return fail(0..text.len(), format!("has {} bytes, at most {LONGEST} are read", text.len()), None);
    }
    let mut parser = Parser { text, at: 0, depth: 0, operators: 0 };
    let root = parser.or()?;
    parser.space();
    if parser.at < text.len() {
        return parser.unexpected();
    }
    Ok(root)
}

fn fail<T>(at: Range<usize>, problem: impl Into<String>, hint: Option<&str>) -> Result<T, ConditionError> {
    Err(ConditionError { at, problem: problem.into(), hint: hint.map(str::to_owned) })
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    operators: usize,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn takes(&mut self, symbol: &str) -> bool {
        self.space();
        let there = self.rest().starts_with(symbol);
        if there {
            self.at += symbol.len();
        }
        there
    }

    fn or(&mut self) -> Parsed {
        self.chain("||", Self::and, Kind::Or)
    }

    fn and(&mut self) -> Parsed {
        self.chain("&&", Self::not, Kind::And)
    }

    fn chain(
        &mut self,
        operator: &str,
        next: fn(&mut Self) -> Parsed,
        kind: fn(Box<Expression>, Box<Expression>) -> Kind,
    ) -> Parsed {
        let mut left = next(self)?;
        while self.takes(operator) {
            self.operators += 1;
            if self.operators > MOST_OPERATORS {
                return fail(self.at..self.at, format!("has more than {MOST_OPERATORS} operators"), None);
            }
            let right = next(self)?;
            left =
                Expression { at: left.at.start..right.at.end, kind: kind(Box::new(left), Box::new(right)) };
        }
        Ok(left)
    }

    /// One level deeper.
    fn deeper(&mut self, next: fn(&mut Self) -> Parsed) -> Parsed {
        self.depth += 1;
        if self.depth > DEEPEST {
            return fail(self.at..self.at, format!("is more than {DEEPEST} levels deep"), None);
        }
        let read = next(self);
        self.depth -= 1;
        read
    }

    fn not(&mut self) -> Parsed {
        self.space();
        let start = self.at;
        if !self.rest().starts_with("!=") && self.takes("!") {
            let inner = self.deeper(Self::not)?;
            return Ok(Expression { at: start..inner.at.end, kind: Kind::Not(Box::new(inner)) });
        }
        let left = self.value()?;
        let differs = match (self.takes("=="), self.takes("!=")) {
            (true, _) => false,
            (_, true) => true,
            _ => return Ok(left),
        };
        let right = self.value()?;
        let at = left.at.start..right.at.end;
        Ok(Expression { at, kind: Kind::Equal(differs, Box::new(left), Box::new(right)) })
    }

    fn value(&mut self) -> Parsed {
        self.space();
        let start = self.at;
        if self.takes("(") {
            let inner = self.deeper(Self::or)?;
            if !self.takes(")") {
                return fail(start..start + 1, "`(` has no `)`", None);
            }
            return Ok(Expression { at: start..self.at, kind: inner.kind });
        }
        let kind = match self.rest().chars().next() {
            Some('\'') => Kind::Text(self.quoted()?),
            Some(first) if first.is_ascii_digit() || first == '-' => self.number()?,
            Some(first) if first.is_ascii_alphabetic() || first == '_' => self.word()?,
            _ => return self.unexpected(),
        };
        Ok(Expression { at: start..self.at, kind })
    }

    /// A text in single quotation marks; two of them stand for one.
    fn quoted(&mut self) -> Result<String, ConditionError> {
        let start = self.at;
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1).peekable();
        while let Some((index, char)) = chars.next() {
            if char != '\'' {
                text.push(char);
            } else if chars.next_if(|(_, next)| *next == '\'').is_some() {
                text.push('\'');
            } else {
                self.at = start + index + 1;
                return Ok(text);
            }
        }
        fail(start..self.text.len(), "the text has no `'` at its end", None)
    }

    fn number(&mut self) -> Result<Kind, ConditionError> {
        let start = self.at;
        let is_part = |char: char| char.is_ascii_alphanumeric() || ".+-".contains(char);
        let end = self.rest().find(|char| !is_part(char)).map_or(self.text.len(), |length| start + length);
        self.at = end;
        let text = &self.text[start..end];
        if number(text).is_none() {
            return fail(
                start..end,
                format!("`{text}` is no number"),
                Some("put a text into single quotation marks"),
            );
        }
        Ok(Kind::Number(text.to_owned()))
    }

    /// A part of a name with dots.
    fn name(&mut self) -> &'t str {
        let end = self.rest().find(|char: char| !(char.is_alphanumeric() || "_-".contains(char)));
        let name = &self.rest()[..end.unwrap_or(self.rest().len())];
        self.at += name.len();
        name
    }

    fn word(&mut self) -> Result<Kind, ConditionError> {
        let start = self.at;
        let word = self.name();
        match word {
            "true" => return Ok(Kind::Boolean(true)),
            "false" => return Ok(Kind::Boolean(false)),
            "inputs" if self.rest().starts_with('.') => return self.input(start),
            "steps" if self.rest().starts_with(['.', '[']) => return self.step(start),
            _ => {}
        }
        if FUNCTIONS.contains(&word) {
            if !(self.takes("(") && self.takes(")")) {
                let hint = format!("write `{word}()`");
                return fail(start..start + word.len(), format!("`{word}` is a function"), Some(&hint));
            }
            return Ok(match word {
                "success" => Kind::Success,
                "failure" => Kind::Failure,
                _ => Kind::Always,
            });
        }
        let known = FUNCTIONS.iter().chain(&["inputs", "steps", "true", "false"]).copied();
        let meant = nearest(word, known).map(|meant| format!("did you mean `{meant}`?"));
        let hint = meant.unwrap_or_else(|| {
            "there are `inputs.NAME`, `steps.NAME.outcome`, `success()`, `failure()` and `always()`; a text is in single quotation marks".to_owned()
        });
        fail(start..start + word.len(), format!("`{word}` is nothing that is known here"), Some(&hint))
    }

    fn input(&mut self, start: usize) -> Result<Kind, ConditionError> {
        self.at += 1;
        let name = self.name();
        if !is_name(name) {
            return fail(start..self.at, "an input is written as `inputs.NAME`", None);
        }
        Ok(Kind::Input(name.to_owned()))
    }

    fn step(&mut self, start: usize) -> Result<Kind, ConditionError> {
        const HOW: &str =
            "write `steps.NAME.outcome`, or `steps['NAME'].outcome` for a name with other characters";
        let name = if self.takes("['") {
            self.at -= 1;
            let name = self.quoted()?;
            if !self.takes("]") {
                return fail(start..self.at, "`[` has no `]`", Some(HOW));
            }
            name
        } else {
            self.at += 1;
            self.name().to_owned()
        };
        let has_key = self.rest().starts_with('.');
        let key = if has_key {
            self.at += 1;
            self.name()
        } else {
            ""
        };
        if name.is_empty() || key != "outcome" {
            return fail(
                start..self.at,
                "what is to be known of the step is missing, or is not known",
                Some(HOW),
            );
        }
        Ok(Kind::Outcome(StepPath::new(name)))
    }

    fn unexpected<T>(&self) -> Result<T, ConditionError> {
        let Some(char) = self.rest().chars().next() else {
            return fail(self.text.len()..self.text.len(), "a value is missing at its end", None);
        };
        let hint = match char {
            '"' => Some("a text is in single quotation marks"),
            '$' => Some("a condition is written without `${{` and `}}`"),
            '=' => Some("write `==`"),
            '&' | '|' => Some("write `&&` or `||`"),
            '<' | '>' => Some("there are `==` and `!=`"),
            _ => None,
        };
        let end = self.at + char.len_utf8();
        fail(self.at..end, format!("`{char}` makes no sense here"), hint)
    }
}
