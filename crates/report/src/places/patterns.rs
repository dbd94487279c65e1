//! The forms in which programs write places.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::Severity;

/// What a line is.
pub(super) struct Match<'t> {
    pub(super) found: Found<'t>,
    /// File, line and column.
    pub(super) place: Option<(&'t str, u32, Option<u32>)>,
}

pub(super) enum Found<'t> {
    /// A message and its place.
    Whole(Severity, &'t str),
    /// A message whose place comes on another line.
    Message(Severity, &'t str),
    /// The place of the message before it.
    PlaceOfMessage,
    /// The place of the message behind it.
    PlaceBeforeMessage,
    /// A file that the next lines are about.
    File(&'t str),
    /// A finding in that file.
    InFile { line: u32, column: u32, severity: Severity, message: &'t str },
}

#[derive(Clone, Copy)]
enum Form {
    /// `file:line:column: error: message`, of gcc, clang, mypy, javac, shellcheck.
    Gnu,
    /// `file(line,column): error CODE: message`, of tsc, msbuild.
    Parenthesised,
    /// `  --> file:line:column`, of rustc.
    Arrow,
    /// `error[E0308]: message`, of rustc, and the last line of a traceback.
    Message,
    /// `thread 'main' panicked at file:line:column:`.
    Panic,
    /// `  File "name", line 10, in function`, of Python.
    Traceback,
    /// `file.py:10: AssertionError`, of pytest.
    Raised,
    /// `file.go:10:2: message`, of go.
    Go,
    /// `script.sh: line 10: message`, of bash.
    Shell,
    /// `    at function (file:line:column)`, of node.
    Stack,
    /// `  10:5  error  message  rule`, of eslint.
    InFile,
    /// A path alone, above those.
    File,
}

/// In the order in which they are tried.
const FORMS: &[(Form, &str)] = &[
    (
        Form::InFile,
        r"^\s+(?P<line>\d{1,9}):(?P<column>\d{1,9})\s+(?P<severity>error|warning)\s+(?P<message>.+)$",
    ),
    (
        Form::Gnu,
        r"^\s*(?P<file>(?:[A-Za-z]:[\\/])?[^\s:()][^:()]*):(?P<line>\d{1,9})(?::(?P<column>\d{1,9}))?:?\s+(?:- )?(?P<severity>(?:fatal |internal compiler )?error|warning)(?:\[[^\]]*\])?(?: TS\d+)?:?\s+(?P<message>.+)$",
    ),
    (
        Form::Parenthesised,
        r"^\s*(?P<file>[^\s(][^(]*)\((?P<line>\d{1,9}),(?P<column>\d{1,9})(?:,\d+,\d+)?\)\s?: (?P<severity>error|warning) (?P<message>.+)$",
    ),
    (
        Form::Panic,
        r"^thread '.*' (?:\(\d+\) )?panicked at (?P<file>[^:]+):(?P<line>\d{1,9}):(?P<column>\d{1,9}):$",
    ),
    (Form::Arrow, r"^\s*--> (?P<file>[^:]+):(?P<line>\d{1,9}):(?P<column>\d{1,9})$"),
    (Form::Traceback, r#"^  File "(?P<file>[^"]+)", line (?P<line>\d{1,9})(?:, in .*)?$"#),
    (
        Form::Raised,
        r"^(?P<file>[^\s:][^:]*\.py):(?P<line>\d{1,9}): (?P<message>\w*(?:Error|Exception|Failed)\b.*)$",
    ),
    (Form::Go, r"^\s*(?P<file>[^\s:][^:]*\.go):(?P<line>\d{1,9}):(?:(?P<column>\d{1,9}):)? (?P<message>.+)$"),
    (Form::Shell, r"^(?P<file>[^\s:][^:]*): line (?P<line>\d{1,9}): (?P<message>.+)$"),
    (
        Form::Stack,
        r"^\s+at (?:.* \()?(?:file://)?(?P<file>[^\s():]+\.[cm]?[jt]sx?):(?P<line>\d{1,9}):(?P<column>\d{1,9})\)?$",
    ),
    (
        Form::Message,
        r"^(?:E\s+)?(?:(?P<severity>error|warning)(?:\[[A-Z]+\d+\])?: |(?P<name>(?:\w+\.)*\w*(?:Error|Exception)): )(?P<message>.+)$",
    ),
    (Form::File, r"^(?P<file>(?:\.{0,2}/)?[\w@.-]+(?:/[\w@.-]+)*\.[A-Za-z]\w{0,9})$"),
];

static COMPILED: LazyLock<Vec<(Form, Regex)>> = LazyLock::new(|| {
    let compiled = FORMS.iter().filter_map(|(form, pattern)| Some((*form, Regex::new(pattern).ok()?)));
    compiled.collect()
});

/// What a line says of a place.
pub(super) fn find(text: &str) -> Option<Match<'_>> {
    if text.is_empty() {
        return None;
    }
    COMPILED.iter().find_map(|(form, regex)| interpret(*form, text, &regex.captures(text)?))
}

fn interpret<'t>(form: Form, text: &'t str, captures: &Captures<'t>) -> Option<Match<'t>> {
    let part = |name: &str| captures.name(name).map(|part| part.as_str());
    let number = |name: &str| part(name).and_then(|digits| digits.parse::<u32>().ok());
    let severity = || match part("severity") {
        Some("warning") => Severity::Warning,
        _ => Severity::Error,
    };
    let message = part("message").unwrap_or(text);
    let place = || Some((part("file")?, number("line")?, number("column")));
    let found = match form {
        Form::Gnu | Form::Parenthesised => Found::Whole(severity(), message),
        Form::Raised | Form::Go | Form::Shell => Found::Whole(Severity::Error, message),
        Form::Arrow => Found::PlaceOfMessage,
        Form::Stack if part("file").is_some_and(|file| file.contains("node_modules")) => return None,
        Form::Stack => Found::PlaceOfMessage,
        Form::Panic | Form::Traceback => Found::PlaceBeforeMessage,
        // The name of an exception belongs to its message.
        Form::Message if part("name").is_some() => {
            Found::Message(Severity::Error, text.trim_start_matches("E ").trim_start())
        }
        Form::Message => Found::Message(severity(), message),
        Form::File => return Some(Match { found: Found::File(part("file")?), place: None }),
        Form::InFile => {
            let (line, column) = (number("line")?, number("column")?);
            let found = Found::InFile { line, column, severity: severity(), message };
            return Some(Match { found, place: None });
        }
    };
    if let Found::Message(..) = found {
        return Some(Match { found, place: None });
    }
    Some(Match { found, place: Some(place()?) })
}
