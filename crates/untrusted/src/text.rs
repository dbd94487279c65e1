//! Text for lines.

use memchr::{memchr_iter, memrchr};

use crate::ci::break_commands;
use crate::grammar::{ESC, Escape, INTRODUCER, control, escape};
use crate::plain::{is_simple, plain_len};
use crate::utf8::into_string;
use crate::{Control, Introducer, Scanner, Token};

/// Bytes of the longest sequence that is a colour.
const LONGEST_COLOUR: usize = 64;

/// One line of output: what it shows in the end, when carriage returns overwrote parts of it. With `colour` its colours stay.
#[must_use]
pub fn line(bytes: &[u8], colour: bool) -> String {
    let mut text = Vec::with_capacity(bytes.len());
    line_into(&mut text, bytes, colour);
    into_string(text)
}

/// Appends what [`line()`] gives to `out`, which stays UTF-8 if it was. Allocates nothing but room in `out`, unless the
/// line holds bytes that are not UTF-8, or a command of a CI system.
pub fn line_into(out: &mut Vec<u8>, bytes: &[u8], colour: bool) {
    let bytes = without_returns(bytes);
    if plain_len(bytes) == bytes.len() {
        let start = out.len();
        out.extend_from_slice(bytes);
        return break_commands(out, start);
    }
    let state = &bytes[last_state_start(bytes)..];
    // Faster than the lossy one, which looks at each byte.
    match str::from_utf8(state) {
        Ok(text) if is_simple(text) && without_sequences(out, state, colour) => {}
        Ok(text) => clean(out, text, colour),
        Err(_) => clean(out, &String::from_utf8_lossy(state), colour),
    }
}

/// A text that must be one line without colour: names, reasons, messages. Line breaks are spaces.
#[must_use]
pub fn words(text: &str) -> String {
    let mut words = Vec::with_capacity(text.len());
    clean(&mut words, text.trim(), false);
    into_string(words)
}

/// The same for a text that may stand at the beginning of a line, where GitHub looks for its commands.
#[must_use]
pub fn first_words(text: &str) -> String {
    let mut clean = words(text);
    if clean.starts_with("::") {
        clean.insert(1, ' ');
    }
    clean
}

/// The beginning of what counts of a line that carriage returns overwrote.
#[must_use]
pub fn last_state_start(bytes: &[u8]) -> usize {
    memrchr(b'\r', without_returns(bytes)).map_or(0, |before| before + 1)
}

/// Without the carriage returns at the end, which overwrite nothing.
#[inline]
fn without_returns(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
    &bytes[..end]
}

/// Appends what [`clean`] would of a text that [`is_simple`]. Returns false, and appends nothing, when there is a control
/// string in it.
fn without_sequences(out: &mut Vec<u8>, text: &[u8], colour: bool) -> bool {
    let start = out.len();
    let mut coloured = false;
    // Beginning of what was passed over and is kept as it is.
    let mut from = 0;
    // No sequence goes on behind the next ESC.
    for at in memchr_iter(ESC, text) {
        let behind = &text[at + 1..];
        let (len, is_kept) = match escape(behind) {
            Escape::Control => {
                let control = control(&behind[INTRODUCER..]);
                let len = 1 + INTRODUCER + control.len();
                let is_colour = control.is_standard && control.action == Some(b'm') && len <= LONGEST_COLOUR;
                (len, colour && is_colour)
            }
            Escape::Other(len) => (1 + len, false),
            Escape::String => {
                out.truncate(start);
                return false;
            }
        };
        coloured |= is_kept;
        if !is_kept {
            out.extend_from_slice(&text[from..at]);
            from = at + len;
        }
    }
    out.extend_from_slice(&text[from..]);
    finish(out, start, coloured);
    true
}

fn clean(out: &mut Vec<u8>, text: &str, colour: bool) {
    let start = out.len();
    let mut coloured = false;
    let mut scanner = Scanner::new(text);
    // Beginning of what was passed over and is kept as it is.
    let mut from = 0;
    loop {
        scanner.skip_shown();
        let shown = scanner.at();
        let token = scanner.next();
        let kept = match token {
            Some(Token::Char(char)) => char.len_utf8(),
            Some(Token::Tab) => 1,
            Some(Token::Control(control)) if colour && is_colour(&control) => {
                coloured = true;
                control.len()
            }
            // What a string without an end would swallow is shown.
            Some(Token::String(Introducer::Escape)) => {
                scanner.skip_string();
                0
            }
            // One character alone is more likely a mistake of who decoded the text.
            Some(Token::String(Introducer::Single)) => 0,
            Some(Token::Break(_) | Token::CarriageReturn | Token::Backspace | Token::Control(_)) | None => 0,
        };
        if scanner.at() - kept > shown || token.is_none() {
            out.extend_from_slice(&text.as_bytes()[from..shown]);
            from = scanner.at() - kept;
        }
        match token {
            None => break,
            Some(Token::Break('\n' | '\u{2028}' | '\u{2029}') | Token::CarriageReturn) => out.push(b' '),
            Some(_) => {}
        }
    }
    finish(out, start, coloured);
}

/// Ends the colours of a line that begins at `start`, and breaks its commands.
fn finish(out: &mut Vec<u8>, start: usize, coloured: bool) {
    if coloured {
        out.extend_from_slice(b"\x1b[0m");
    }
    break_commands(out, start);
}

/// Whether a sequence sets colours and nothing else, and is of a length that makes sense.
#[inline]
const fn is_colour(control: &Control<'_>) -> bool {
    matches!(control.introducer, Introducer::Escape)
        && control.action == 'm'
        && control.len() <= LONGEST_COLOUR
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_of_ci_systems_are_broken() {
        let cases = [
            ("##[error]boo", "## [error]boo"),
            ("some text ##[add-mask]x", "some text ## [add-mask]x"),
            ("###[group]x", "### [group]x"),
            ("##vso[task.setvariable variable=a]b", "## vso[task.setvariable variable=a]b"),
            ("##VSO[task.complete]", "## VSO[task.complete]"),
            ("##teamcity[buildProblem description='x']", "## teamcity[buildProblem description='x']"),
            ("##[a]##vso[b]", "## [a]## vso[b]"),
            ("#\u{0}#[error]hidden", "## [error]hidden"),
            ("#\x1b[31m#[error]hidden", "## [error]hidden"),
            ("##\x1b[0mvso[x]", "## vso[x]"),
            ("## heading", "## heading"),
            ("a ## b [c]", "a ## b [c]"),
            ("section_start:1:x\r\x1b[0Khidden", "hidden"),
        ];
        for (given, expected) in cases {
            assert_eq!(line(given.as_bytes(), false), expected, "{given:?}");
        }
    }

    #[test]
    fn control_characters_go_and_colours_stay_where_colour_is_on() {
        let cases: &[(&[u8], &str, &str)] = &[
            (b"plain\ttext", "plain\ttext", "plain\ttext"),
            (b"\x1b[31mred\x1b[0m", "red", "\x1b[31mred\x1b[0m\x1b[0m"),
            (b"\x1b[1;38:5:9mx", "x", "\x1b[1;38:5:9mx\x1b[0m"),
            (b"\x1b[2J\x1b[H\x1b[?25lx", "x", "x"),
            (b"\x1b]0;title\x07x", "x", "x"),
            (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link", "link"),
            (b"\x1b]0;never ends", "0;never ends", "0;never ends"),
            (b"\x1bPq\x1b\\x\x1b(By\x1b7z\x1b", "xyz", "xyz"),
            (b"a\xc2\x9b31mb\x08\x7f\x00c", "abc", "abc"),
            (b"safe\xe2\x80\xaetxt.exe", "safetxt.exe", "safetxt.exe"),
            (b"10%\r50%\r100%\r", "100%", "100%"),
            (b"windows\r", "windows", "windows"),
            (b"\r\r", "", ""),
            (b"\xff\xfe", "\u{fffd}\u{fffd}", "\u{fffd}\u{fffd}"),
            ("日本 e\u{301}".as_bytes(), "日本 e\u{301}", "日本 e\u{301}"),
        ];
        for (given, plain, coloured) in cases {
            assert_eq!(line(given, false), *plain, "{given:?}");
            assert_eq!(line(given, true), *coloured, "{given:?}");
        }
        assert_eq!(words(" two\nlines\r "), "two lines");
    }

    #[test]
    fn no_command_stands_at_the_beginning_of_a_line() {
        assert_eq!(first_words(" ::error::boo"), ": :error::boo");
        assert_eq!(first_words("\u{0}::error::boo"), ": :error::boo");
        assert_eq!(first_words("a::b"), "a::b");
    }

    proptest! {
        #[test]
        fn nothing_that_acts_survives(parts in prop::collection::vec(prop_oneof![
            Just("\x1b"), Just("["), Just("]"), Just("#"), Just("##"), Just("vso"), Just("0;31"), Just("m"),
            Just("\x07"), Just("\x1b\\"), Just("\u{9b}"), Just("\r"), Just("::"), Just("error"), Just("漢"),
            Just("\u{202e}"), Just("\t"), Just("\u{0}"), Just("P"),
        ], 0..40)) {
            let given = parts.concat();
            let plain = line(given.as_bytes(), false);
            prop_assert!(plain.chars().all(|char| char == '\t' || !char.is_control()), "{plain:?}");
            for command in ["##[", "##vso[", "##error[", "##P["] {
                prop_assert!(!plain.contains(command), "{plain:?}");
            }
            let coloured = line(given.as_bytes(), true);
            let mut sequences = coloured.split('\x1b');
            sequences.next();
            for sequence in sequences {
                let colour = sequence.strip_prefix('[').and_then(|text| text.split_once('m'));
                let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || b":;".contains(&byte));
                prop_assert!(colour.is_some_and(|(codes, _)| digits(codes)), "{coloured:?}");
            }
        }

        #[test]
        fn any_bytes_are_safe(given in prop::collection::vec(any::<u8>(), 0..80)) {
            let plain = line(&given, false);
            prop_assert!(plain.chars().all(|char| char == '\t' || !char.is_control()));
            let _ = line(&given, true);
        }
    }
}
