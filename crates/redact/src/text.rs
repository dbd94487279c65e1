//! Takes secrets out of whole texts.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::{Map, Value};

use crate::{MARKER, Redactor, Secrets};

impl Secrets {
    /// The text without secrets. It is borrowed when there are none in it.
    #[must_use]
    pub fn redact_str<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let matchers = self.matchers();
        let mut ranges = Vec::new();
        matchers.find(text.as_bytes(), &mut ranges);
        if ranges.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = Vec::with_capacity(text.len());
        let mut redactor = Redactor::new(self);
        redactor.push(text.as_bytes(), &mut out);
        redactor.finish(&mut out);
        Cow::Owned(lossy(out))
    }

    /// Takes secrets out of all strings and keys of a value. A number that holds one becomes the string
    /// [`MARKER`]. When two keys of an object become the same, the later ones get a number.
    pub fn redact_value(&self, value: &mut Value) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => {
                if let Cow::Owned(_) = self.redact_str(&number.to_string()) {
                    *value = Value::String(MARKER.to_owned());
                }
            }
            Value::String(text) => {
                if let Cow::Owned(redacted) = self.redact_str(text) {
                    *text = redacted;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.redact_value(item)),
            Value::Object(fields) => {
                if fields.keys().any(|key| matches!(self.redact_str(key), Cow::Owned(_))) {
                    self.redact_keys(fields);
                }
                fields.values_mut().for_each(|field| self.redact_value(field));
            }
        }
    }

    fn redact_keys(&self, fields: &mut Map<String, Value>) {
        for (key, value) in std::mem::take(fields) {
            let redacted = self.redact_str(&key).into_owned();
            let mut name = redacted.clone();
            let mut number = 2;
            while fields.contains_key(&name) {
                name = format!("{redacted} ({number})");
                number += 1;
            }
            fields.insert(name, value);
        }
    }

    /// Takes secrets out of a text.
    pub fn redact(&self, text: &mut String) {
        if let Cow::Owned(redacted) = self.redact_str(text) {
            *text = redacted;
        }
    }

    /// As [`redact_str`](Self::redact_str), but what lies within one of the ranges `open` stays. A secret that reaches
    /// beyond such a range is hidden whole.
    #[must_use]
    pub fn redact_except<'a>(&self, text: &'a str, open: &[Range<usize>]) -> Cow<'a, str> {
        let mut ranges = Vec::new();
        self.matchers().find(text.as_bytes(), &mut ranges);
        let found = ranges.len();
        ranges.retain(|range| !open.iter().any(|open| open.start <= range.start && range.end <= open.end));
        if ranges.len() == found {
            return self.redact_str(text);
        }
        let mut out = Vec::with_capacity(text.len());
        let mut done = 0;
        for range in ranges {
            out.extend_from_slice(&text.as_bytes()[done..range.start]);
            out.extend_from_slice(MARKER.as_bytes());
            done = range.end;
        }
        out.extend_from_slice(&text.as_bytes()[done..]);
        Cow::Owned(lossy(out))
    }
}

/// A value that is not text itself may have cut a character.
fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_open_stays_and_nothing_beside_it() {
        let secrets = Secrets::new([("A", "postgres"), ("B", "step `run-postgres` of")]);
        let open = |text: &str| {
            let at = text.find("run-postgres").unwrap();
            let name = at..at + "run-postgres".len();
            secrets.redact_except(text, std::slice::from_ref(&name)).into_owned()
        };
        assert_eq!(open("`run-postgres` cannot reach postgres"), "`run-postgres` cannot reach ***");
        assert_eq!(open("postgres: `run-postgres`"), "***: `run-postgres`");
        assert_eq!(open("a step `run-postgres` of it"), "a *** it", "it is part of another secret");
        assert_eq!(open("run-postgrespostgres"), "run-***", "what touches it is hidden with it");
        assert_eq!(open("run-postgres"), "run-postgres");
    }

    #[test]
    fn strings_keys_and_numbers() {
        let secrets = Secrets::new([("A", "line one\nline two"), ("B", "1234567890"), ("C", "abcdefgh")]);
        let mut value = json!({
            "abcdefgh": ["line one\nline two", "x line one y", null, true, 7],
            "1234567890": { "n": 1_234_567_890, "other": 12.5 },
            "nested": "{\"k\":\"line one\\nline two\"}",
        });
        secrets.redact_value(&mut value);
        let mut keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        assert_eq!(keys, ["***", "*** (2)", "nested"]);
        let shown = value.to_string();
        for secret in ["abcdefgh", "12345678", "line"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.contains("\"other\":12.5") && shown.contains(r#""n":"***""#), "{shown}");
        assert_eq!(value["nested"], r#"{"k":"***"}"#);
    }

    #[test]
    fn a_text_without_secrets_is_not_copied() {
        let secrets = Secrets::new([("A", "abcdefgh")]);
        assert!(matches!(secrets.redact_str("abcdefg"), Cow::Borrowed("abcdefg")));
        assert_eq!(secrets.redact_str("é abcdefgh é"), "é *** é");
        assert_eq!(Secrets::new([("A", b"\xa9abcdefg")]).redact_str("éabcdefg"), "\u{fffd}***");
    }
}
