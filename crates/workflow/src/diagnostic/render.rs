//! Draws a diagnostic.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar;

use super::text::is_unprintable;
use super::{Diagnostic, LineIndex, Severity};

/// Columns of source shown; a longer line is cut to a window around the place.
const WINDOW: usize = 100;
/// Columns kept in front of the place when the line is cut.
const LEAD: usize = 40;
const TAB: usize = 4;

pub(super) fn render(
    diagnostic: &Diagnostic,
    file_name: &str,
    lines: &LineIndex<'_>,
    colour: bool,
) -> String {
    let paint = Paint { colour };
    let word = match diagnostic.severity {
        Severity::Error => paint.with("1;31", "error"),
        Severity::Warning => paint.with("1;33", "warning"),
    };
    let number = diagnostic.line.to_string();
    let gutter = " ".repeat(number.len());
    let file_name: String =
        file_name.chars().map(|c| if is_unprintable(c) { '\u{fffd}' } else { c }).collect();

    let mut drawn = format!("{word}: {}\n", paint.with("1", &diagnostic.message));
    let arrow = paint.with("34", "-->");
    let _ = write!(drawn, "{gutter}{arrow} {file_name}:{}:{}", diagnostic.line, diagnostic.column);

    let (start, source) = lines.line(diagnostic.line);
    let first = diagnostic.span.start.saturating_sub(start);
    let last = diagnostic.span.end.saturating_sub(start).min(source.len());
    let picture = Picture::of(source, first, last);
    if !picture.source.is_empty() {
        let bar = paint.with("34", "|");
        let marks = match diagnostic.severity {
            Severity::Error => paint.with("31", &picture.marks),
            Severity::Warning => paint.with("33", &picture.marks),
        };
        let number = paint.with("34", &number);
        let _ = write!(drawn, "\n{number} {bar} {}", picture.source);
        let _ = write!(drawn, "\n{gutter} {bar} {}{marks}", " ".repeat(picture.indent));
    }
    if let Some(hint) = &diagnostic.hint {
        let _ = write!(drawn, "\n{gutter} {} {hint}", paint.with("36", "hint:"));
    }
    drawn
}

struct Paint {
    colour: bool,
}

impl Paint {
    fn with(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// One line of source as it is drawn, and where the marks below it go.
struct Picture {
    source: String,
    indent: usize,
    marks: String,
}

impl Picture {
    /// Draws `line` with its bytes `first..last` marked, at least one column of them.
    fn of(line: &str, first: usize, last: usize) -> Self {
        let first = first.min(line.len());
        // Far more than fits into the window: a line may be as long as the file.
        let near = line.floor_char_boundary(first.saturating_sub(8 * WINDOW));
        let far = line.ceil_char_boundary((first + 8 * WINDOW).min(line.len()));
        let mut cells: Vec<(String, usize)> = Vec::new();
        let (mut column, mut from, mut to) = (0, None, 0);
        for (offset, c) in line[near..far].char_indices() {
            if near + offset >= first && from.is_none() {
                from = Some(column);
            }
            let cell = match c {
                '\u{feff}' => continue,
                '\t' => {
                    let width = TAB - column % TAB;
                    (" ".repeat(width), width)
                }
                c if is_unprintable(c) => ("\u{fffd}".to_owned(), 1),
                c => (c.to_string(), c.width().unwrap_or(0)),
            };
            column += cell.1;
            if near + offset < last {
                to = column;
            }
            cells.push(cell);
        }
        let from = from.unwrap_or(column);
        let to = to.max(from + 1);
        let (cut_left, cut_right) = (near > 0, far < line.len());
        if column <= WINDOW && !cut_left && !cut_right {
            let source: String = cells.into_iter().map(|cell| cell.0).collect();
            return Self { source: source.trim_end().to_owned(), indent: from, marks: "^".repeat(to - from) };
        }
        let left = from.saturating_sub(LEAD).min(column.saturating_sub(WINDOW));
        let right = left + WINDOW;
        let (mut source, mut place, mut shown_from) = (String::new(), 0, None);
        for (cell, width) in cells {
            if place >= left && place + width <= right {
                shown_from.get_or_insert(place);
                source.push_str(&cell);
            }
            place += width;
        }
        let mut indent = from - shown_from.unwrap_or(left).min(from);
        if left > 0 || cut_left {
            source.insert(0, '…');
            indent += 1;
        }
        if right < column || cut_right {
            source.push('…');
        }
        let marks = to.min(right).saturating_sub(from).max(1);
        Self { source, indent, marks: "^".repeat(marks) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(line: &str, marked: &str) -> String {
        let first = line.find(marked).unwrap();
        let picture = Picture::of(line, first, first + marked.len());
        format!("{}\n{}{}", picture.source, " ".repeat(picture.indent), picture.marks)
    }

    #[test]
    fn tabs_and_wide_characters_do_not_move_the_mark() {
        insta::assert_snapshot!(drawn("\tname:\t日本 bad", "bad"), @r"
            name:   日本 bad
                         ^^^
        ");
        insta::assert_snapshot!(drawn("  日本: x", "日本"), @r"
            日本: x
            ^^^^
        ");
        insta::assert_snapshot!(drawn("a\x1b[31mb bad", "bad"), @r"
            a�[31mb bad
                    ^^^
        ");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let line = format!("{}bad{}", "x".repeat(300), "y".repeat(300));
        insta::assert_snapshot!(drawn(&line, "bad"), @r"
            …xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxbadyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy…
                                                     ^^^
        ");
        let line = format!("{}bad", "日".repeat(300));
        insta::assert_snapshot!(drawn(&line, "bad"), @r"
            …日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日bad
                                                                                                             ^^^
        ");
        let line = format!("bad{}", "y".repeat(300));
        insta::assert_snapshot!(drawn(&line, "bad"), @r"
            badyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy…
            ^^^
        ");
    }

    #[test]
    fn a_place_at_the_end_of_a_line_gets_one_mark() {
        let picture = Picture::of("name:", 5, 5);
        assert_eq!((picture.indent, picture.marks.as_str()), (5, "^"));
    }
}
