//! Makes text of others safe to print.
//!
//! Output of workers, and everything that quotes it, may hold anything: escape sequences that rewrite the
//! screen, and commands for the CI system that reads the log. Control characters are removed, except
//! colours where colour is on.
//!
//! CI systems find their commands in different places. `::name::` of GitHub counts at the beginning of a
//! line, white space before it ignored: whatever comes from others is printed behind a word or a bar, so it
//! never stands there. `##[name]` of GitHub, `##vso[` of Azure and `##teamcity[` count anywhere in a line,
//! so a space is put behind their `##`, in JSON an escape in its place. Sections of GitLab and Travis need a carriage return, which is a
//! control character.

use std::borrow::Cow;

use roboppi_run::is_visible;

/// One line of output: what it shows in the end, when carriage returns overwrote parts of it.
#[must_use]
pub fn line(bytes: &[u8], colour: bool) -> String {
    clean(&String::from_utf8_lossy(last_state(bytes)), colour)
}

/// A text that must be one line without colour: names, reasons, messages. Line breaks are spaces.
#[must_use]
pub fn words(text: &str) -> String {
    clean(text.trim(), false)
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

/// A line of JSON that says the same to who reads JSON, and nothing to a terminal or a CI system that it passes.
#[must_use]
pub fn json(line: &str) -> Cow<'_, str> {
    let acts = |(at, char): &(usize, char)| match char {
        '#' => line[at + 1..].starts_with('#'),
        '\u{2028}' | '\u{2029}' => true,
        // Between strings.
        '\n' => false,
        char => !is_visible(*char),
    };
    let Some((first, _)) = line.char_indices().find(acts) else { return Cow::Borrowed(line) };
    // Nothing outside of strings is such a character.
    let mut safe = line[..first].to_owned();
    for (at, char) in line[first..].char_indices() {
        if acts(&(first + at, char)) {
            for unit in char.encode_utf16(&mut [0; 2]) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            safe.push(char);
        }
    }
    Cow::Owned(safe)
}

/// The beginning of what counts of a line that carriage returns overwrote.
pub(crate) fn last_state_start(bytes: &[u8]) -> usize {
    let end = bytes.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
    bytes[..end].iter().rposition(|byte| *byte == b'\r').map_or(0, |before| before + 1)
}

fn last_state(bytes: &[u8]) -> &[u8] {
    let state = &bytes[last_state_start(bytes)..];
    let end = state.iter().position(|byte| *byte == b'\r').unwrap_or(state.len());
    &state[..end]
}

fn clean(text: &str, colour: bool) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut coloured = false;
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        let mut len = char.len_utf8();
        match char {
            '\x1b' => {
                let sequence = Sequence::at(rest);
                len = sequence.len;
                if colour && sequence.is_colour {
                    clean.push_str(&rest[..len]);
                    coloured = true;
                }
            }
            '\u{9b}' => len += control_len(&rest[len..]),
            '\t' => clean.push(char),
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => clean.push(' '),
            // What is not seen makes a line say what is not in it.
            char if is_visible(char) => clean.push(char),
            _ => {}
        }
        rest = &rest[len..];
    }
    if coloured {
        clean.push_str("\x1b[0m");
    }
    without_commands(clean)
}

/// An escape sequence at the beginning of a text.
struct Sequence {
    len: usize,
    is_colour: bool,
}

impl Sequence {
    fn at(text: &str) -> Self {
        let bytes = text.as_bytes();
        let len = match bytes.get(1) {
            Some(b'[') => 2 + control_len(&text[2..]),
            Some(b']' | b'P' | b'X' | b'^' | b'_') => 2 + string_len(&text[2..]),
            _ => {
                let middle = bytes[1..].iter().take_while(|byte| (0x20..0x30).contains(*byte)).count();
                1 + middle
                    + usize::from(bytes.get(1 + middle).is_some_and(|byte| (0x30..0x7f).contains(byte)))
            }
        };
        let parameters = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b';' | b':');
        let is_colour = (3..=64).contains(&len)
            && bytes[1] == b'['
            && bytes[len - 1] == b'm'
            && bytes[2..len - 1].iter().all(parameters);
        Self { len, is_colour }
    }
}

/// Length of a control sequence behind its introducer.
fn control_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let middle = bytes.iter().take_while(|byte| (0x20..0x40).contains(*byte)).count();
    middle + usize::from(bytes.get(middle).is_some_and(|byte| (0x40..0x7f).contains(byte)))
}

/// Length of a string (a title, a link) behind its introducer. One that does not end is no string: what it
/// would swallow is shown.
fn string_len(text: &str) -> usize {
    let end = |end: &str| text.find(end).map(|at| at + end.len());
    [end("\x07"), end("\x1b\\"), end("\u{9c}")].into_iter().flatten().min().unwrap_or(0)
}

/// Breaks `##[`, `##vso[`, `##teamcity[` and whatever else has this form.
#[must_use]
pub fn without_commands(text: String) -> String {
    const LONGEST_NAME: usize = 32;
    if !text.contains("##") {
        return text;
    }
    let mut broken = String::with_capacity(text.len() + 8);
    let mut rest = text.as_str();
    while let Some(at) = rest.find("##") {
        let (before, after) = rest.split_at(at + 2);
        let name = after.bytes().take(LONGEST_NAME).take_while(u8::is_ascii_alphanumeric).count();
        if after.as_bytes().get(name) == Some(&b'[') {
            broken.push_str(before);
            broken.push(' ');
            rest = after;
        } else {
            // The second sign may begin a command of its own.
            broken.push_str(&rest[..=at]);
            rest = &rest[at + 1..];
        }
    }
    broken.push_str(rest);
    broken
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

    #[test]
    fn json_says_the_same_and_does_nothing() {
        for text in
            ["plain", "##vso[x] ###[y] a#b", "\u{9b}31m \u{7f} \u{202e}x \x1b[2J\r\n", "漢\u{301}\u{2028}"]
        {
            let given = serde_json::to_string(text).unwrap();
            let safe = json(&given);
            assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
            assert!(
                !safe.contains("##") && !safe.chars().any(|char| char != '\n' && !is_visible(char)),
                "{safe}"
            );
            assert_eq!(json(&format!("{{\n{given}\n}}")), format!("{{\n{safe}\n}}"));
        }
        assert!(matches!(json("{\"a\":\"b # c\"}"), Cow::Borrowed(_)));
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
