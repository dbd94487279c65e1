//! Takes secrets out of whole texts.

use std::borrow::Cow;
use std::ops::Range;

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
    fn a_text_without_secrets_is_not_copied() {
        let secrets = Secrets::new([("A", "abcdefgh")]);
        assert!(matches!(secrets.redact_str("abcdefg"), Cow::Borrowed("abcdefg")));
        assert_eq!(secrets.redact_str("é abcdefgh é"), "é *** é");
        assert_eq!(Secrets::new([("A", b"\xa9abcdefg")]).redact_str("éabcdefg"), "\u{fffd}***");
    }
}
