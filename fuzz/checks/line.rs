//! A line that is made safe to show is the one a simple model gives, and nothing in it acts.

use roboppi_untrusted::{is_visible, line, line_into, words};

/// Letters of the longest name of a command of a CI system.
const LONGEST_NAME: usize = 32;

/// Bytes of the longest colour.
const LONGEST_COLOUR: usize = 64;

/// The first byte says what the line is appended to.
pub(crate) fn check(bytes: &[u8]) {
    let Some((before, bytes)) = bytes.split_first() else { return };
    for colour in [false, true] {
        let expected = model(bytes, colour);
        assert_eq!(line(bytes, colour), expected, "{bytes:?}, colour {colour}");
        // It may look like the beginning of a command, or of a sequence.
        let before = ["", "x", "#", "##vso", "\x1b["][usize::from(before % 5)];
        let mut out = before.as_bytes().to_vec();
        line_into(&mut out, bytes, colour);
        assert_eq!(out, format!("{before}{expected}").into_bytes(), "{bytes:?}, colour {colour}");
        does_nothing(&expected, colour);
    }
    if let Ok(text) = str::from_utf8(bytes) {
        assert_eq!(words(text), shown(&text.trim().chars().collect::<Vec<_>>(), false), "{text:?}");
    }
}

/// What a line shows in the end.
fn model(bytes: &[u8], colour: bool) -> String {
    let text = String::from_utf8_lossy(bytes);
    let last = text.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default();
    shown(&last.chars().collect::<Vec<_>>(), colour)
}

/// One character after the other.
fn shown(text: &[char], colour: bool) -> String {
    let mut shown = String::new();
    let mut coloured = false;
    let mut at = 0;
    while let Some(char) = text.get(at) {
        at += 1;
        match char {
            '\x1b' => match text.get(at) {
                Some('[') => {
                    let (parameters, action, behind) = control(text, at + 1);
                    at = behind;
                    let is_standard =
                        parameters.chars().all(|char| char.is_ascii_digit() || ";:".contains(char));
                    let fits = "\x1b[m".len() + parameters.len() <= LONGEST_COLOUR;
                    if colour && action == Some('m') && is_standard && fits {
                        shown += &format!("\x1b[{parameters}m");
                        coloured = true;
                    }
                }
                Some(']' | 'P' | 'X' | '^' | '_') => at = string_end(text, at + 1).unwrap_or(at + 1),
                _ => {
                    at += run(text, at, ' '..='/');
                    at += usize::from(run(text, at, '0'..='~') > 0);
                }
            },
            '\u{9b}' => at = control(text, at).2,
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => shown.push(' '),
            '\t' => shown.push('\t'),
            char if is_visible(*char) => shown.push(*char),
            _ => {}
        }
    }
    if coloured {
        shown += "\x1b[0m";
    }
    without_commands(&shown)
}

/// Parameters, action and end of a control sequence whose parameters begin at `start`.
fn control(text: &[char], start: usize) -> (String, Option<char>, usize) {
    let end = start + run(text, start, ' '..='?');
    let action = text.get(end).copied().filter(|char| ('@'..='~').contains(char));
    (text[start..end].iter().collect(), action, end + usize::from(action.is_some()))
}

/// Where a control string ends whose text begins at `start`, if it does in its line.
fn string_end(text: &[char], start: usize) -> Option<usize> {
    for at in start..text.len() {
        match (text[at], text.get(at + 1)) {
            ('\n', _) => return None,
            ('\x07' | '\u{9c}', _) => return Some(at + 1),
            ('\x1b', Some('\\')) => return Some(at + 2),
            _ => {}
        }
    }
    None
}

/// Number of characters of a kind from `start` on.
fn run(text: &[char], start: usize, kind: std::ops::RangeInclusive<char>) -> usize {
    text[start..].iter().take_while(|char| kind.contains(char)).count()
}

fn without_commands(text: &str) -> String {
    let mut broken = String::new();
    for (at, char) in text.char_indices() {
        broken.push(char);
        let name = text[at..].strip_prefix('#').filter(|_| text[..at].ends_with('#'));
        let behind = name.map(|name| name.trim_start_matches(|char: char| char.is_ascii_alphanumeric()));
        if let (Some(name), Some(behind)) = (name, behind)
            && name.len() - behind.len() <= LONGEST_NAME
            && behind.starts_with('[')
        {
            broken.push(' ');
        }
    }
    broken
}

/// No character acts but a tab and colours that were asked for, and no command is left.
fn does_nothing(text: &str, colour: bool) {
    let mut rest = text.to_owned();
    while let (true, Some(at)) = (colour, rest.find("\x1b[")) {
        let end = rest[at..].find('m').expect("a colour has an end");
        let parameters = &rest[at + 2..at + end];
        assert!(parameters.chars().all(|char| char.is_ascii_digit() || ";:".contains(char)), "{text:?}");
        rest.replace_range(at..=at + end, "\n");
    }
    let acts = |char: char| !is_visible(char) && char != '\t' && !(colour && char == '\n');
    assert!(!rest.contains(acts), "{text:?}");
    assert_eq!(without_commands(text), text, "a command is left");
}
