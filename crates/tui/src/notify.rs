//! Tells a person who looks elsewhere that a run is over.

use crate::NotifyBy;
use crate::sanitise;

/// Bytes that make a terminal notify. Both texts may be anybody's.
pub(crate) fn bytes(by: NotifyBy, title: &str, text: &str) -> Vec<u8> {
    // What separates fields must not be in one.
    let field = |text: &str| sanitise::clean(text).replace(';', ",");
    let sequence = match by {
        NotifyBy::Bell => "\x07".to_owned(),
        NotifyBy::Osc9 => format!("\x1b]9;{}: {}\x1b\\", field(title), field(text)),
        NotifyBy::Osc777 => format!("\x1b]777;notify;{};{}\x1b\\", field(title), field(text)),
    };
    sequence.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_end_the_sequence_or_add_a_field() {
        let hostile = "a;b\x1b\\\x07\x1b]52;c;eA==\x07";
        let written = String::from_utf8(bytes(NotifyBy::Osc777, hostile, "done")).unwrap();
        let inside = written.strip_prefix("\x1b]777;notify;").unwrap().strip_suffix("\x1b\\").unwrap();
        assert_eq!(inside.matches(';').count(), 1, "{inside:?}");
        assert!(!inside.contains(char::is_control), "{inside:?}");
        assert_eq!(bytes(NotifyBy::Bell, hostile, hostile), b"\x07");
        assert_eq!(bytes(NotifyBy::Osc9, "x", "y"), b"\x1b]9;x: y\x1b\\");
    }
}
