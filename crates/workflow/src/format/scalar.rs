//! How scalars are written.

use granit_parser::ScalarStyle;

use super::read::Scalar;
use crate::source::is_text;

/// Words that other readers of YAML, or people, take for something else than text.
const MISREAD: &[&str] = &["y", "n", "yes", "no", "on", "off", "<<", "=", "none", "nan", "inf"];

/// A scalar on one line. Quotation marks that are not needed are left out.
pub(super) fn on_one_line(scalar: &Scalar, in_flow: bool) -> String {
    let is_quoted = matches!(scalar.style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
    if is_quoted && !scalar.tagged && is_plain(&scalar.value, in_flow) {
        return scalar.value.clone();
    }
    let is_simple = !scalar.value.contains(|c: char| matches!(c, '"' | '\\') || c.is_control());
    if scalar.style == ScalarStyle::SingleQuoted && is_simple {
        return format!("\"{}\"", scalar.value);
    }
    if scalar.raw.is_empty() && in_flow {
        return "null".to_owned();
    }
    scalar.raw.clone()
}

/// Whether a text may stand without quotation marks, and will be taken for text by everybody.
fn is_plain(text: &str, in_flow: bool) -> bool {
    let first_is_fine =
        text.chars().next().is_some_and(|c| c.is_alphabetic() || matches!(c, '_' | '/' | '.' | '(' | '+'));
    let is_fine = |c: char| (c == ' ' || !c.is_whitespace()) && !c.is_control() && c != '\u{feff}';
    let breaks_flow = |c: char| in_flow && matches!(c, ',' | '[' | ']' | '{' | '}');
    // A duration begins with a digit, and is taken for nothing else.
    (first_is_fine || crate::parse_duration(text).is_ok_and(|_| text.trim() == text))
        && text.chars().all(|c| is_fine(c) && !breaks_flow(c))
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !(in_flow && text.contains(':'))
        && !text.starts_with("...")
        && !MISREAD.iter().any(|word| text.eq_ignore_ascii_case(word))
        && is_text(text)
}

/// The first line and the lines below it, for a scalar of several lines whose owner is indented by `indent`.
pub(super) fn on_lines(scalar: &Scalar, indent: usize) -> (String, Vec<String>) {
    let inner = " ".repeat(indent + 2);
    let indented = |line: &str| if line.is_empty() { String::new() } else { format!("{inner}{line}") };
    match scalar.style {
        ScalarStyle::Folded if !scalar.mark.contains(|c: char| c.is_ascii_digit()) => {
            let keeps = scalar.mark.contains('+');
            let raw = if keeps { &scalar.raw } else { scalar.raw.trim_end_matches('\n') };
            (scalar.mark.clone(), raw.split('\n').map(indented).collect())
        }
        ScalarStyle::Literal | ScalarStyle::Folded => literal(&scalar.value, indented),
        _ => {
            let is_plain = scalar.style == ScalarStyle::Plain;
            let trimmed = |line: &str| if is_plain { line.trim_end().to_owned() } else { line.to_owned() };
            let mut lines = scalar.raw.split('\n');
            let first = trimmed(lines.next().unwrap_or_default());
            (first, lines.map(|line| indented(&trimmed(line.trim_start_matches([' ', '\t'])))).collect())
        }
    }
}

/// A text below a `|`.
fn literal(value: &str, indented: impl Fn(&str) -> String) -> (String, Vec<String>) {
    let content = value.trim_end_matches('\n');
    let ends = value.len() - content.len();
    if content.is_empty() {
        return (format!("\"{}\"", "\\n".repeat(ends)), Vec::new());
    }
    let first = content.split('\n').find(|line| !line.is_empty()).unwrap_or_default();
    let indicator = if first.starts_with(' ') { "2" } else { "" };
    let chomping = ["-", "", "+"][ends.min(2)];
    let mut lines: Vec<String> = content.split('\n').map(indented).collect();
    lines.extend((1..ends).map(|_| String::new()));
    (format!("|{indicator}{chomping}"), lines)
}

/// Whether what follows may not be an empty line, because that would be a part of the scalar.
pub(super) fn keeps_blank_lines(scalar: &Scalar) -> bool {
    scalar.mark.contains('+')
}
