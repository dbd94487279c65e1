//! Data as Python prints it, and as JSON.
//!
//! `repr` of a dictionary is one line of literals. Objects that are no literals (`<Stage.X: 'x'>`, `datetime.datetime(…)`) are kept as
//! the text that they are.

use serde_json::{Map, Number, Value};

/// How deep data may be nested.
const DEPTH: usize = 64;

/// Data that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Literal {
    /// The data.
    pub value: Value,
    /// JSON has no word for a part of it: `nan`, `inf`. There the value is `null`.
    pub lossy: bool,
}

/// Reads data that is either JSON or what Python prints. `None` of anything else, and of data that is cut off.
#[must_use]
pub fn literal(text: &str) -> Option<Literal> {
    if let Ok(value) = serde_json::from_str(text) {
        return Some(Literal { value, lossy: false });
    }
    let mut reader = Reader { text, at: 0, lossy: false };
    let value = reader.value(0)?;
    reader.blanks();
    (reader.at == text.len()).then_some(Literal { value, lossy: reader.lossy })
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    lossy: bool,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, expected: &str) -> bool {
        let is_next = self.rest().starts_with(expected);
        if is_next {
            self.at += expected.len();
        }
        is_next
    }

    fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEPTH {
            return None;
        }
        self.blanks();
        match self.peek()? {
            '{' => self.braces(depth),
            '[' => self.items("[", "]", depth).map(Value::Array),
            '(' => self.items("(", ")", depth).map(Value::Array),
            '\'' | '"' => self.string().map(Value::String),
            '<' => self.opaque().map(Value::String),
            'b' if self.rest().starts_with("b'") || self.rest().starts_with("b\"") => {
                self.at += 1;
                self.quoted().map(|text| Value::String(text.to_owned()))
            }
            '-' | '0'..='9' => self.number(),
            _ => self.word(),
        }
    }

    /// A dictionary or a set.
    fn braces(&mut self, depth: usize) -> Option<Value> {
        let begin = self.at;
        self.at += 1;
        self.blanks();
        if self.take("}") {
            return Some(Value::Object(Map::new()));
        }
        let key = self.value(depth + 1)?;
        self.blanks();
        if !self.take(":") {
            self.at = begin;
            return self.items("{", "}", depth).map(Value::Array);
        }
        let mut fields = Map::new();
        let mut key = key;
        loop {
            let name = if let Value::String(name) = key { name } else { key.to_string() };
            let value = self.value(depth + 1)?;
            fields.insert(name, value);
            self.blanks();
            let is_more = self.take(",");
            self.blanks();
            if self.take("}") {
                return Some(Value::Object(fields));
            }
            if !is_more {
                return None;
            }
            key = self.value(depth + 1)?;
            self.blanks();
            if !self.take(":") {
                return None;
            }
        }
    }

    fn items(&mut self, open: &str, close: &str, depth: usize) -> Option<Vec<Value>> {
        self.take(open);
        let mut items = Vec::new();
        self.blanks();
        if self.take(close) {
            return Some(items);
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.blanks();
            let is_more = self.take(",");
            self.blanks();
            if self.take(close) {
                return Some(items);
            }
            if !is_more {
                return None;
            }
        }
    }

    /// The text between two quotes, as it stands there.
    fn quoted(&mut self) -> Option<&'t str> {
        let quote = self.peek()?;
        let begin = self.at + 1;
        let mut is_escaped = false;
        for (at, c) in self.text[begin..].char_indices() {
            if is_escaped {
                is_escaped = false;
            } else if c == '\\' {
                is_escaped = true;
            } else if c == quote {
                self.at = begin + at + 1;
                return Some(&self.text[begin..begin + at]);
            }
        }
        None
    }

    fn string(&mut self) -> Option<String> {
        let quoted = self.quoted()?;
        let mut text = String::with_capacity(quoted.len());
        let mut chars = quoted.chars();
        while let Some(c) = chars.next() {
            if c != '\\' {
                text.push(c);
                continue;
            }
            match chars.next()? {
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                'b' => text.push('\u{8}'),
                'f' => text.push('\u{c}'),
                '0' => text.push('\0'),
                'x' => text.push(code(&mut chars, 2)?),
                'u' => text.push(code(&mut chars, 4)?),
                'U' => text.push(code(&mut chars, 8)?),
                c @ ('\\' | '\'' | '"' | '/') => text.push(c),
                other => text.extend(['\\', other]),
            }
        }
        Some(text)
    }

    fn number(&mut self) -> Option<Value> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '.' | '_'))
            .unwrap_or(rest.len());
        let word = &rest[..end];
        self.at += end;
        if let Ok(number) = word.parse::<i64>() {
            return Some(number.into());
        }
        if word == "-inf" {
            self.lossy = true;
            return Some(Value::Null);
        }
        let is_whole = word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        match word.parse::<f64>() {
            // All its digits are kept as a text.
            Ok(_) if is_whole => Some(word.into()),
            Ok(number) => {
                self.lossy |= !number.is_finite();
                Some(Number::from_f64(number).map_or(Value::Null, Value::Number))
            }
            Err(_) => Some(word.into()),
        }
    }

    /// A name, or a call of one.
    fn word(&mut self) -> Option<Value> {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.')).unwrap_or(rest.len());
        if end == 0 {
            return None;
        }
        let word = &rest[..end];
        if rest[end..].starts_with('(') {
            if let Some(empty) = rest.strip_prefix("set()") {
                self.at = self.text.len() - empty.len();
                return Some(Value::Array(Vec::new()));
            }
            return self.opaque().map(Value::String);
        }
        self.at += end;
        Some(match word {
            "None" | "null" => Value::Null,
            "True" | "true" => true.into(),
            "False" | "false" => false.into(),
            "nan" | "inf" | "NaN" | "Infinity" => {
                self.lossy = true;
                Value::Null
            }
            other => other.into(),
        })
    }

    /// The text of an object, to the bracket that closes it.
    fn opaque(&mut self) -> Option<String> {
        let begin = self.at;
        let mut open: Vec<char> = Vec::new();
        while let Some(c) = self.peek() {
            match c {
                '\'' | '"' => {
                    self.quoted()?;
                    continue;
                }
                '-' if self.take("->") => continue,
                '(' | '[' | '{' | '<' => open.push(c),
                ')' | ']' | '}' | '>' => {
                    let pairs = [('(', ')'), ('[', ']'), ('{', '}'), ('<', '>')];
                    if open.last().is_some_and(|last| pairs.contains(&(*last, c))) {
                        open.pop();
                    } else if c != '>' {
                        return None;
                    }
                    if open.is_empty() {
                        self.at += 1;
                        return Some(self.text[begin..self.at].to_owned());
                    }
                }
                _ => {}
            }
            self.at += c.len_utf8();
        }
        None
    }
}

/// A character by its code. Half of a pair is U+FFFD.
fn code(chars: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let text: String = chars.by_ref().take(digits).collect();
    if text.len() != digits {
        return None;
    }
    let number = u32::from_str_radix(&text, 16).ok()?;
    Some(char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Value {
        literal(text).unwrap_or_else(|| panic!("{text}")).value
    }

    #[test]
    fn literals_of_python_are_data() {
        for (text, expected) in [
            ("{'a': None, 'b': True, 'c': False}", json!({"a": null, "b": true, "c": false})),
            (r#"{'path': 'it\'s "quoted".py'}"#, json!({"path": "it's \"quoted\".py"})),
            (r"{'deep': {'x': [1, 2, -3.5, 1e-05]}}", json!({"deep": {"x": [1, 2, -3.5, 1e-5]}})),
            (
                r"{'t': (1,), 'e': (), 's': {'b', 'a'}, 'n': set()}",
                json!({"t": [1], "e": [], "s": ["b", "a"], "n": []}),
            ),
            (
                r"{'b': b'\x00\xff', 'u': 'na\xefve \u2713 \U0001f600'}",
                json!({"b": "\\x00\\xff", "u": "naïve ✓ 😀"}),
            ),
            ("{'o': <Stage.READING: 'reading'>, 'n': 1}", json!({"o": "<Stage.READING: 'reading'>", "n": 1})),
            (
                "{'o': <function f at 0x7f>, 'g': <a -> b>}",
                json!({"o": "<function f at 0x7f>", "g": "<a -> b>"}),
            ),
            (
                "{'w': datetime.datetime(2026, 1, 6, tzinfo=datetime.timezone.utc), 'p': PosixPath('/a)b')}",
                json!({"w": "datetime.datetime(2026, 1, 6, tzinfo=datetime.timezone.utc)", "p": "PosixPath('/a)b')"}),
            ),
            ("{1: 'a', (1, 2): 'b', None: 3}", json!({"1": "a", "[1,2]": "b", "null": 3})),
            (
                "{'a': {}, 'big': 123456789012345678901234567890}",
                json!({"a": {}, "big": "123456789012345678901234567890"}),
            ),
            (
                r#"{"tool": "edit", "ok": true, "result": null}"#,
                json!({"tool": "edit", "ok": true, "result": null}),
            ),
            (r"{'half': '\ud800', 'nl': 'a\nb'}", json!({"half": "\u{fffd}", "nl": "a\nb"})),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        let nan = literal("{'value': nan, 'other': -inf}").unwrap();
        assert_eq!((nan.value, nan.lossy), (json!({"value": null, "other": null}), true));
    }

    #[test]
    fn what_is_cut_off_or_no_data_is_nothing() {
        let deep = "[".repeat(100_000);
        for text in
            ["", "{", "{'a", "{'a': ", "{'a': 1", "{'a' 1}", "[1 2]", "x(", "{'a': 1} more", "<a", &deep]
        {
            assert_eq!(literal(text), None, "{}", &text[..text.len().min(20)]);
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in "[\\[\\]{}()<>'\"\\\\,: a-z0-9é.-]{0,60}") {
            let _ = literal(&text);
        }
    }
}
